"""Feed: the messages of one channel for the room of one process, each of them once and in order.

What the subscription brings is checked against the history: when something is missing, the feed reads it there before
it goes on, or tells that it is lost. Meanwhile, what arrives is held.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from random import random

from ..core.exceptions import BusError
from ..core.telling import printable
from . import protocol
from .members import Item, Resumed, Source
from .timeline import Kept, Place, Position, Timeline

logger = logging.getLogger("django_redis_bus.relay")

HELD_MOST = 1_000
"""Messages that wait while the history is asked. Beyond it those with an offset go: the history has them."""
CATCH_UP_MOST = 1_000
"""Messages that are read when some are missing; more than that are told as lost."""
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0


class Feed:
    """See the module.

    Args:
        source: the channel.
        most: messages to have in memory.
        missing: most messages that are read when some are missing, if that is more than CATCH_UP_MOST.
        tell: takes each Item, at once.
        healed: called when an interruption of the subscription is over: what is not kept may have been missed.
    """

    def __init__(
        self,
        source: Source,
        *,
        most: int,
        missing: int = 0,
        tell: Callable[[Item], None],
        healed: Callable[[], None] = lambda: None,
    ) -> None:
        self.source = source
        self.gaps = 0
        """How often something was lost."""
        self._tell = tell
        self._healed = healed
        self._interrupted_at: int | None = None
        """How many gaps had been told when messages without a place may have been missed; None if they have not."""
        self._opening_text = protocol.opening(source.topic)
        self._most = most
        self._missing = min(max(missing, CATCH_UP_MOST), source.history)
        self._timeline = Timeline(most, known=2 * max(missing, CATCH_UP_MOST))
        self._loop = asyncio.get_running_loop()
        self._last_at = self._loop.time()
        self._held: list[bytes] | None = []
        self._unplaced: deque[bytes] = deque(maxlen=HELD_MOST)
        self._again = False
        self._caught_up: asyncio.Future[None] = self._loop.create_future()
        self._reading: asyncio.Task[None] | None = None

    @property
    def position(self) -> Position | None:
        """The newest message that has been told."""
        return self._timeline.position

    @property
    def is_behind(self) -> bool:
        """Whether it is catching up: what it knows may not be all."""
        return self._held is not None

    async def caught_up(self) -> None:
        """Wait until it is not behind."""
        while self._held is not None:
            await asyncio.shield(self._caught_up)

    async def open(self) -> None:
        """Begin. Raises BusError, and is to be closed then."""
        await self.source.attach(self.on_message, self.on_gap)
        if self.source.history:
            self._set_aside()
            resumed = await self.source.resume(None, self._most, patient=True)
            self._timeline.begin(resumed.position, resumed.messages)
        while not self._release():
            await self._catch_up_once()

    async def close(self) -> None:
        """End: nothing is told any more."""
        if self._reading is not None and not self._reading.done():
            self._reading.cancel()
            await asyncio.wait([self._reading])
        await self.source.close()

    # --- what is in memory

    def after(self, position: Position) -> list[Kept] | None:
        """Return what follows a place, None if that is not in memory."""
        self._forget_old()
        mine = self._timeline.position
        return self._timeline.after(position.offset) if mine is not None and mine.epoch == position.epoch else None

    def newest(self, count: int) -> list[Kept] | None:
        """Return the newest messages, None if there may be more than are in memory."""
        self._forget_old()
        return self._timeline.newest(count)

    def _forget_old(self) -> None:
        if self._loop.time() - self._last_at > self.source.history_age_s:
            self._timeline.forget()

    # --- what comes

    def on_message(self, raw: bytes) -> None:
        """Take a message of the subscription."""
        if self._held is not None:
            self._hold(raw)
        elif not self._deliver(raw):
            self.catch_up()
            self._hold(raw)

    def on_gap(self) -> None:
        """Messages may have been missed."""
        self._note_interruption()
        if self._held is not None:
            self._again = True
        else:
            self.catch_up()

    def _note_interruption(self) -> None:
        if self._interrupted_at is None:
            self._interrupted_at = self.gaps

    def adopt(self, epoch: str, messages: Sequence[Kept]) -> None:
        """Take what the history knows and the subscription has not brought yet."""
        for kept in messages:
            position = Position(epoch, kept.offset)
            if self._timeline.place(position) is Place.NEXT:
                self._take(position, kept.text)

    def _deliver(self, raw: bytes) -> bool:
        """Tell a message, unless it has been told; return whether nothing is missing before it."""
        position, text = self.source.read(raw)
        if position is None:
            self._say(None, text)
            return True
        place = self._timeline.place(position)
        if place is Place.FIRST:
            # The history had expired: nothing was published meanwhile, or this feed would have heard it.
            self._timeline.begin(Position(position.epoch, "0-0"))
            place = Place.NEXT
        if place is Place.NEXT:
            self._take(position, text)
        return place is not Place.ELSEWHERE

    def _take(self, position: Position, text: str) -> None:
        self._timeline.advance(position, text)
        self._last_at = self._loop.time()
        self._say(position, text)

    def _say(self, position: Position | None, text: str) -> None:
        frame = {"type": "websocket.send", "text": f"{self._opening_text}{text}}}"}
        self._tell(Item(topic=self.source.topic, event=text, position=position, frame=frame))

    def _hold(self, raw: bytes) -> None:
        assert self._held is not None
        self._held.append(raw)
        if len(self._held) > HELD_MOST:
            self._set_aside()
            self._again = True

    def _set_aside(self) -> None:
        """Keep of what waits only what has no place: the history, asked from here on, knows all the rest."""
        if self._held:
            unplaced = [raw for raw in self._held if self.source.read(raw)[0] is None]
            if len(self._unplaced) + len(unplaced) > HELD_MOST:
                self._note_interruption()  # the oldest of them go
            self._unplaced += unplaced
            self._held = []

    # --- what is missing

    def catch_up(self) -> None:
        """Read the history before going on; what comes is held from now on."""
        if self._held is None:
            self._held = []
            self._caught_up = self._loop.create_future()
            self._reading = self._loop.create_task(self._read_on())

    async def _read_on(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await self._catch_up_once()
                if self._release():
                    return
            except Exception as error:
                if not isinstance(error, BusError):
                    logger.exception("Channel %s: its history cannot be read", printable(self.source.topic))
                await asyncio.sleep(pause_s * (0.5 + random()))
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _catch_up_once(self) -> None:
        self._again = False
        self._set_aside()
        await self._read_missing()

    async def _read_missing(self) -> None:
        """Read the history from here on, and tell what came, or that it cannot be had."""
        mine = self._timeline.position
        if not self.source.history:
            self._lost(None, None)
            return
        resumed = await self.source.resume(mine, self._missing, patient=True)
        theirs = resumed.position
        if mine is None or theirs is None:
            # No epoch is known, on this side or that one: nothing has been published that could be missing here.
            self._begin_without_epoch(resumed)
        elif resumed.recovered:
            self.adopt(theirs.epoch, resumed.messages)
            if self._timeline.position != theirs:
                self._lost(resumed, None)
        elif theirs.epoch != mine.epoch:
            self._lost(resumed, None)
        elif theirs.n - mine.n < self._missing:
            # It should be there: Redis has lost data. Whoever comes from elsewhere must learn that as well.
            logger.warning("Channel %s: Redis has lost messages; its history begins anew", printable(self.source.topic))
            await self.source.rotate(mine.epoch)
            self._lost(await self.source.resume(None, 0), None)
        else:
            self._lost(resumed, theirs.n - mine.n)

    def _begin_without_epoch(self, resumed: Resumed) -> None:
        if resumed.position is None:
            if self._timeline.position is not None:
                self._lost(resumed, None)
        elif not resumed.messages or resumed.messages[0].offset.startswith("1-"):
            self._timeline.begin(Position(resumed.position.epoch, "0-0"))
            self.adopt(resumed.position.epoch, resumed.messages)
        else:
            self._lost(resumed, resumed.position.n)

    def _lost(self, resumed: Resumed | None, missed: int | None) -> None:
        position = resumed.position if resumed else None
        self._timeline.begin(position)
        self.gaps += 1
        epoch, offset = position or (None, None)
        text = protocol.gap(self.source.topic, epoch=epoch, offset=offset, missed=missed)
        frame = {"type": "websocket.send", "text": text}
        self._tell(Item(topic=self.source.topic, kind="gap", event=None, position=position, missed=missed, frame=frame))

    def _release(self) -> bool:
        """Go on with what has come meanwhile; return whether nothing is missing there."""
        if self._again:
            return False
        while self._unplaced:
            self._deliver(self._unplaced.popleft())
        held = self._held or []
        for at, raw in enumerate(held):
            if not self._deliver(raw):
                self._held = held[at:]
                return False
        self._held = None
        if not self._caught_up.done():
            self._caught_up.set_result(None)
        if self._interrupted_at is not None:
            if self._interrupted_at == self.gaps:  # a gap says more
                frame = {"type": "websocket.send", "text": protocol.interrupted(self.source.topic)}
                self._tell(Item(topic=self.source.topic, kind="interrupted", event=None, position=None, frame=frame))
            self._interrupted_at = None
            self._healed()
        return True
