"""A channel whose every move a test decides: when Redis answers, and which message arrives when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from django_redis_bus.core.exceptions import Unavailable
from django_redis_bus.relay.members import Item, Resumed
from django_redis_bus.relay.timeline import Kept, Position


class Scripted:
    """A Source. `say` publishes, `deliver` brings it to the room: both at once with `cast`."""

    topic = "chat:lobby"
    history_age_s = 1000.0

    def __init__(self, *, history: int = 100) -> None:
        self.history = history
        self.epoch = "e1"
        self.kept: list[Kept] = []
        self.count = 0
        self.luck = 0
        self.asked = 0
        self.rotated = 0
        self.is_away = False
        self.is_closed = False
        self.attaching: asyncio.Future[None] | None = None
        self.answering: asyncio.Event = asyncio.Event()
        self.answering.set()
        self.on_message: Callable[[bytes], None]
        self.on_gap: Callable[[], None]

    # --- as Redis

    def say(self, text: str | None = None) -> bytes:
        self.count += 1
        self.luck += 1
        offset = f"{self.count}-{self.luck}"
        self.kept.append(Kept(offset, text or str(self.count)))
        del self.kept[: -self.history]
        return f"{self.epoch} {offset} {self.kept[-1].text}".encode()

    def cast(self, text: str | None = None) -> bytes:
        raw = self.say(text)
        self.on_message(raw)
        return raw

    def lose(self, messages: int) -> None:
        """What a restart does that comes before the newest were on disk."""
        del self.kept[-messages:]
        self.count -= messages

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.kept[-1].offset if self.kept else f"{self.count}-0")

    # --- as a Source

    async def attach(self, on_message: Callable[[bytes], None], on_gap: Callable[[], None]) -> None:
        self.on_message, self.on_gap = on_message, on_gap
        if self.attaching is not None:
            await self.attaching
        if self.is_away:
            raise Unavailable("away")

    async def close(self) -> None:
        self.is_closed = True

    async def resume(self, position: Position | None, limit: int, *, patient: bool = False) -> Resumed:
        self.asked += 1
        if self.is_away:
            raise Unavailable("away")
        newest = self.kept[-limit:] if limit else []
        answer = Resumed(self.position, None if position is None else False, newest)
        if position is not None and position.epoch == self.epoch:
            offsets = [kept.offset for kept in self.kept]
            if position.offset in offsets or (position.offset == "0-0" and offsets[:1] in ([], ["1-1"])):
                follows = (
                    self.kept[offsets.index(position.offset) + 1 :] if position.offset in offsets else self.kept[:]
                )
                if len(follows) <= limit:
                    answer = Resumed(self.position, True, follows)
        await asyncio.sleep(0)
        await self.answering.wait()
        return answer

    async def rotate(self, epoch: str) -> None:
        self.rotated += 1
        if self.epoch == epoch:
            self.epoch += "'"

    def read(self, raw: bytes) -> tuple[Position | None, str]:
        epoch, offset, text = raw.decode().split(" ", 2)
        return (None if offset == "-" else Position(epoch, offset)), text


class Listening:
    """A Member that remembers."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    def push(self, item: Item) -> None:
        self.items.append(item)

    @property
    def heard(self) -> list[str]:
        """The messages, and "gap" or "interrupted" where that was told."""
        return [item.event if item.event is not None else item.kind for item in self.items]
