"""Room: those of one process who are in one channel, on one subscription."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..core.exceptions import Unavailable
from .feed import Feed
from .members import Item, Joined, Member, Source
from .timeline import Kept, Position

REMEMBERED = 200
"""So many messages a room has in memory; who has missed more is given them from Redis."""
MOST_CHARACTERS = 1_000_000
"""So much is given to somebody who joins, whatever the number of messages: it is one frame, and clients limit those."""
TRIES = 4
"""How often a join begins anew because the room has moved on meanwhile."""


class Room:
    """Lets members in, without holes and doubles while messages stream in, and passes on to them what its feed tells.

    Args:
        source: its channel.
        most: most messages that are given to somebody who joins.
        patience_s: how long a join waits while the feed catches up.
        healed: called with the room when an interruption is over.
    """

    def __init__(
        self, source: Source, *, most: int, patience_s: float, healed: Callable[[Room], None] = lambda room: None
    ) -> None:
        self.topic = source.topic
        self.members: dict[Member, None] = {}
        self.joining = 0
        """How many are on their way in: the room stays for them."""
        self.idle_since = 0.0
        """When the last one left, if nobody is here."""
        self._source = source
        self._most = min(most, source.history)
        self._patience_s = patience_s
        self.feed = Feed(
            source,
            most=min(self._most, REMEMBERED),
            missing=self._most,
            tell=self.tell,
            healed=lambda: healed(self),
        )
        self._opening = asyncio.get_running_loop().create_task(self._open())
        self._opening.add_done_callback(_retrieve)

    @property
    def is_open(self) -> bool:
        """Whether it has been subscribed."""
        return self._opening.done() and self.may_open

    @property
    def may_open(self) -> bool:
        """Whether it is open or may come to that."""
        return not self._opening.done() or not (self._opening.cancelled() or self._opening.exception())

    async def _open(self) -> None:
        try:
            await self.feed.open()
        except BaseException:
            await self.feed.close()
            raise

    async def close(self) -> None:
        """Leave the channel. Members are told nothing."""
        self.members.clear()
        if not self._opening.done():
            self._opening.cancel()
            await asyncio.wait([self._opening])
        await self.feed.close()

    def tell(self, item: Item) -> None:
        """Pass an item on to everybody."""
        for member in list(self.members):
            member.push(item)

    # --- coming and going

    async def join(self, member: Member, position: Position | None, history: int) -> Joined:
        """Let a member in.

        When this returns, the member is in, and nothing has been pushed to it yet: its caller has to use the answer
        before it awaits anything. Raises BusError, and the member is not in then.

        Args:
            position: what it has seen last.
            history: how many messages it wants without a position, or when those after it cannot be had.
        """
        history = min(history, self._most)
        self.joining += 1
        try:
            async with asyncio.timeout(self._patience_s):
                await asyncio.shield(self._opening)
                for _ in range(TRIES):
                    await self.feed.caught_up()
                    joined = self._from_memory(position, history) or await self._from_history(position, history)
                    if joined is not None:
                        self.members[member] = None
                        return _bounded(joined, history)
        except TimeoutError:
            pass
        finally:
            self.joining -= 1
        raise Unavailable(f"the history of {self.topic!r} cannot be read just now")

    def leave(self, member: Member) -> None:
        """Let a member out, if it is in."""
        self.members.pop(member, None)

    def _from_memory(self, position: Position | None, history: int) -> Joined | None:
        mine = self.feed.position
        recovered: bool | None
        if position is not None and mine is not None and position.epoch == mine.epoch:
            kept, recovered = self.feed.after(position), True
        else:
            kept, recovered = self.feed.newest(history), None if position is None else False
        return None if kept is None else Joined(position=mine, recovered=recovered, messages=kept)

    async def _from_history(self, position: Position | None, history: int) -> Joined | None:
        """Ask Redis; None if the feed has to catch up first."""
        mine = self.feed.position
        asked = position if position is not None and mine is not None and position.epoch == mine.epoch else None
        resumed = await self._source.resume(asked, self._most if asked else history)
        recovered = None if position is None else bool(asked and resumed.recovered)
        messages = resumed.messages if recovered else resumed.messages[-history:] if history else []
        if self.feed.is_behind:
            return None
        if not messages and not recovered:
            return Joined(position=self.feed.position, recovered=recovered, messages=[])
        theirs = resumed.position
        if theirs is not None:
            # Taken by the whole room: so the one who joins stands where everybody stands.
            self.feed.adopt(theirs.epoch, resumed.messages)
            mine = self.feed.position
            if theirs == mine:
                return Joined(position=theirs, recovered=recovered, messages=messages)
            since = self.feed.after(theirs) if mine is not None and theirs.n < mine.n else None
            if since is not None:
                return Joined(position=mine, recovered=recovered, messages=[*messages, *since])
        self.feed.catch_up()
        return None


def _bounded(joined: Joined, history: int) -> Joined:
    """Return what fits into an answer. If that is not all that was missed, it is the newest `history` at most."""
    if sum(len(kept.text) for kept in joined.messages) <= MOST_CHARACTERS:
        return joined
    fits: list[Kept] = []
    left = MOST_CHARACTERS
    for kept in reversed(joined.messages):
        left -= len(kept.text)
        if left < 0 or len(fits) >= history:
            break
        fits.insert(0, kept)
    return Joined(position=joined.position, recovered=None if joined.recovered is None else False, messages=fits)


def _retrieve(task: asyncio.Task[None]) -> None:
    """Take note of how it ended: all who waited for it may have gone away."""
    if not task.cancelled():
        task.exception()
