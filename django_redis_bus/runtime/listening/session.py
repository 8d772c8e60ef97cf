"""One connection's life: what was asked of the server, what it has confirmed, and whether it still answers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

from ...core.exceptions import BusError, Unavailable
from ...core.gaps import Reason
from ...core.subscribing import Key, Subscriber

TICK_S = 1.0
SILENT_TICKS = 3
"""So many ticks without a byte, though an answer is owed, and the connection is taken for dead. Ticks and not seconds:
while a handler blocks the event loop neither passes, and what has come is read before the next one."""

_SUBSCRIBED = {b"subscribe": False, b"psubscribe": True}
_UNSUBSCRIBED = {b"unsubscribe": False, b"punsubscribe": True}


class Lost(Unavailable):
    """The connection is of no use any more.

    Attributes:
        reason: see Gap.
    """

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message)
        self.reason = reason


class Entry:
    """Our side of one subscription.

    Attributes:
        key: what it is to.
        active: whether the server has confirmed it on the present connection.
        users: the attachments that want it.
        refused_at: when the server began to refuse what it had allowed; None if it does not.
    """

    __slots__ = ("active", "key", "refused_at", "users")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.active = False
        self.users: dict[Any, None] = {}
        self.refused_at: float | None = None


class Session:
    """Keeps what the server says in step with what it was asked.

    Args:
        link: an open connection.
        confirmed: called with each entry that has become active.
        refused: called with each entry that the server has refused, and with its refusal.
        beat_key: returns a key that is active, for the heartbeat; None if there is none.
    """

    def __init__(
        self,
        link: Subscriber,
        *,
        confirmed: Callable[[Entry], None],
        refused: Callable[[Entry, BusError], None],
        beat_key: Callable[[], Entry | None],
    ) -> None:
        self.link = link
        self.heard_at = monotonic()
        self.began_at = self.heard_at
        self.paused = False
        """Nothing is read just now, on purpose: silence means nothing."""
        self._confirmed = confirmed
        self._refused = refused
        self._beat_key = beat_key
        self._owed: deque[tuple[bool, Entry]] = deque()  # True for subscribe; in the order of the commands
        self._held: set[Key] = set()
        self.asked = 0
        """How many commands were sent."""
        self.answered = 0
        self.why: Lost | None = None
        """What was found to be wrong with the connection."""
        self._chunks = 0
        self._seen = 0
        self._silent = 0
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def subscribe(self, entries: Iterable[Entry]) -> None:
        asked = list(entries)
        self.asked += len(asked)
        self._owed.extend((True, entry) for entry in asked)
        self.link.subscribe([entry.key for entry in asked])

    def unsubscribe(self, entries: Iterable[Entry]) -> None:
        asked = list(entries)
        self.asked += len(asked)
        self._owed.extend((False, entry) for entry in asked)
        self.link.unsubscribe([entry.key for entry in asked])

    async def read(self) -> list[Any]:
        """Return what has come next. Raises Lost."""
        try:
            replies = await self.link.read()
        except BusError as error:
            self.why = self.why or Lost(str(error), "lost")
            raise self.why from error
        self.heard_at = monotonic()
        self._chunks += 1
        return replies

    def answer(self, reply: Any) -> None:
        """Take in a reply that is no message. Raises Lost if it does not fit what was asked."""
        if not self._owed:
            raise self._differs(f"Redis said what it was not asked: {reply!r:.200}")
        wanted, entry = self._owed.popleft()
        self.answered += 1
        if isinstance(reply, BusError):
            self._refused(entry, reply)
            return
        kind, name, count = reply
        if (_SUBSCRIBED if wanted else _UNSUBSCRIBED).get(kind) is not entry.key.is_pattern or name != entry.key.name:
            raise self._differs(f"Redis said {kind!r} of {name!r:.200} where another answer was owed")
        if wanted:
            self._held.add(entry.key)
        else:
            self._held.discard(entry.key)
        if count != len(self._held):
            raise self._differs(f"Redis knows of {count} subscriptions where {len(self._held)} were made")
        if wanted and not entry.active:
            self._confirmed(entry)

    def _differs(self, what: str) -> Lost:
        self.why = Lost(what, "differs")
        return self.why

    def _tick(self) -> None:
        if self._chunks != self._seen or self.paused or not self._owed:
            self._silent = 0
        else:
            self._silent += 1
        self._seen = self._chunks
        if self._silent >= SILENT_TICKS:
            self.why = Lost(f"Redis has been silent for {monotonic() - self.heard_at:.1f} s", "silent")
            self.link.cut()
            return
        # Its confirmation comes behind everything that was published before, and counts the subscriptions.
        if not self._owed and not self.paused and (entry := self._beat_key()) is not None:
            self.subscribe([entry])
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def end(self) -> None:
        """Watch the connection no longer."""
        self._timer.cancel()
