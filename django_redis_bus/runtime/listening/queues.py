"""What waits for one listener: bounded, and what its policy drops is told as a Gap. For use in one event loop."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from time import monotonic
from typing import Any, TypeAlias

from ...core.gaps import Gap, together
from ...core.listeners import Overflow

FAST_S = 0.0001
GRACE_S = 0.05
"""The reading waits for a full queue, at most this long, if its listener takes less than FAST_S per message: it is
behind only by what came in one piece, and what is not read yet is safe in the buffers of the network and of Redis. For
a listener that is slow, or waits for something, nobody waits."""
TELL_S = 1.0
"""While a listener is too slow, it is told so often how many messages it has missed since."""

Item: TypeAlias = "tuple[str, bytes] | Gap"
"""A topic and what was published to it; or what is missing here."""


class ListenerQueue:
    """First in, first out.

    Args:
        topics: of the listener, for gaps.
        limit: most messages that wait.
        overflow: what happens beyond it.
        pressed: where a full queue puts itself, so that the reading waits for it.
        counts: "dropped" and "gaps" are counted here.
    """

    def __init__(
        self, topics: tuple[str, ...], *, limit: int, overflow: Overflow, pressed: list[Any], counts: Counter[str]
    ) -> None:
        self.topics = topics
        self._limit = limit
        self._drops_newest = overflow == "drop_newest"
        self._blocks = overflow == "block"
        self._pressed = pressed
        self._counts = counts
        self._items: deque[Item] = deque()
        self.event_s: float | None = None
        """How long a message takes the listener; None while that is not known."""
        self._waiter: asyncio.Future[None] | None = None
        self._relief: asyncio.Future[None] | None = None
        self._slow = False
        self._ended = False
        # What was dropped since the last gap was told:
        self._dropped = 0
        self._dropping_since = 0.0
        self._told_at = 0.0
        self._gap: Gap | None = None  # one that stood before dropped messages

    # --- the connection's side

    def put(self, topic: str, data: bytes, pattern: str | None) -> None:
        """Take in a message."""
        items = self._items
        if len(items) >= self._limit and self._is_refused():
            return
        if self._dropped and self._drops_newest and self._may_tell():
            items.append(self._told())
        items.append((topic, data))
        self._added(len(items))

    def put_gap(self, gap: Gap) -> None:
        """Take in that messages may be missing from here on."""
        if self._items and isinstance(last := self._items[-1], Gap):
            self._items[-1] = together(last, gap)
        else:
            self._items.append(gap)
        self._wake()

    async def relieved(self) -> None:
        """Wait until the listener has caught up by half, if it is fast."""
        if self._size() < self._limit or self._ended:
            return
        if not self._blocks and (self.event_s or 0) > FAST_S:
            self._slow = True
            return
        self._relief = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(None if self._blocks else GRACE_S):
                await self._relief
        except TimeoutError:
            self._slow = True
        finally:
            self._relief = None

    def _added(self, size: int) -> None:
        if size >= self._limit and not self._slow:
            self._pressed.append(self)
        if self._waiter is not None:
            self._wake()

    def _is_refused(self) -> bool:
        """Make room. Returns whether the new message is the one that has to go."""
        if self._ended:
            return True
        if self._blocks:
            return False  # the reading waits after each message that finds no room
        oldest: object = None
        while not self._drops_newest and self._size() and isinstance(oldest := self._oldest(), Gap):
            self._gap = together(self._gap, oldest)
        if self._drops_newest or not isinstance(oldest, Gap):
            if not self._dropped:
                self._dropping_since = monotonic()
            self._dropped += 1
            self._counts["dropped"] += 1
        return self._drops_newest

    def _oldest(self) -> object:
        """Take out what has waited longest."""
        return self._items.popleft()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # --- the listener's side

    async def some(self, most: int) -> list[Item]:
        """Wait for messages and gaps, and return up to `most`, in order. Returns [] only after `end`."""
        while not (self._size() or self._dropped or self._gap or self._ended):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        found: list[Item] = []
        if self._gap is not None or (self._dropped and not self._drops_newest and self._may_tell()):
            found.append(self._told())
        self._move(found, most)
        if not self._size():
            self._slow = False
            if self._dropped:
                found.append(self._told())
        if self._relief is not None and self._size() <= self._limit // 2 and not self._relief.done():
            self._relief.set_result(None)
        return found

    def end(self) -> None:
        """Forget what waits, and take in nothing more."""
        self._ended = True
        self._limit = 0
        self._clear()
        self._dropped, self._gap = 0, None
        self._wake()
        if self._relief is not None and not self._relief.done():
            self._relief.set_result(None)

    def _size(self) -> int:
        return len(self._items)

    def _move(self, found: list[Item], most: int) -> None:
        items = self._items
        if len(items) <= most:
            found.extend(items)
            items.clear()
        else:
            found.extend([items.popleft() for _ in range(most)])

    def _clear(self) -> None:
        self._items.clear()

    def _may_tell(self) -> bool:
        return monotonic() - self._told_at >= TELL_S

    def _told(self) -> Gap:
        """Return the gap for what is missing, and count from 0 again."""
        gap, self._gap = self._gap, None
        if self._dropped:
            now = monotonic()
            self._counts["gaps"] += 1
            overflow = Gap(
                topics=self.topics, reason="overflow", seconds=now - self._dropping_since, missed=self._dropped
            )
            gap = together(gap, overflow)
            self._dropped, self._told_at = 0, now
        assert gap is not None
        return gap


class CoalescingQueue(ListenerQueue):
    """The newest message of each topic; an older one that still waits is replaced, which is no loss."""

    def __init__(
        self, topics: tuple[str, ...], *, limit: int, overflow: Overflow, pressed: list[Any], counts: Counter[str]
    ) -> None:
        super().__init__(topics, limit=limit, overflow=overflow, pressed=pressed, counts=counts)
        self._newest: OrderedDict[Any, bytes | Gap] = OrderedDict()

    def put(self, topic: str, data: bytes, pattern: str | None) -> None:
        newest = self._newest
        if topic in newest:
            self._counts["coalesced"] += 1
            newest[topic] = data
            if _GAP in newest:  # it is newer than the gap
                newest.move_to_end(topic)
            return
        if len(newest) >= self._limit and self._is_refused():
            return
        newest[topic] = data
        self._added(len(newest))

    def put_gap(self, gap: Gap) -> None:
        known = self._newest.pop(_GAP, None)
        self._newest[_GAP] = together(known, gap) if isinstance(known, Gap) else gap
        self._wake()

    def _oldest(self) -> object:
        return self._newest.popitem(last=False)[1]

    def _size(self) -> int:
        return len(self._newest)

    def _move(self, found: list[Item], most: int) -> None:
        for _ in range(min(most, len(self._newest))):
            topic, data = self._newest.popitem(last=False)
            found.append(data if isinstance(data, Gap) else (topic, data))

    def _clear(self) -> None:
        self._newest.clear()


_GAP = object()
"""The key of a gap among topics."""


def queue_for(
    topics: tuple[str, ...], *, limit: int, overflow: Overflow, pressed: list[Any], counts: Counter[str]
) -> ListenerQueue:
    """Return the queue of this policy."""
    kind = CoalescingQueue if overflow == "coalesce" else ListenerQueue
    return kind(topics, limit=limit, overflow=overflow, pressed=pressed, counts=counts)
