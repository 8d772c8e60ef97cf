"""A room in random weather: whatever happens, nobody misses a message without being told, and nobody gets one twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from django_redis_bus.core.exceptions import Unavailable
from django_redis_bus.relay.room import Room
from django_redis_bus.relay.timeline import Position

from .conftest import eventually
from .sources import Listening, Scripted

STEPS = 80


class Visitor(Listening):
    """A client: where it was, and all that it has been given, also in earlier visits. "gap" stands for a gap."""

    def __init__(self) -> None:
        super().__init__()
        self.story: list[str] = []
        self.position: Position | None = None

    def end_visit(self) -> None:
        for item in self.items:
            if item.kind != "interrupted":
                self.story.append("gap" if item.event is None else item.event)
            if item.position is not None:
                self.position = item.position
        self.items.clear()


class Weather:
    """What may happen between Redis and a room."""

    def __init__(self, seed: int) -> None:
        self.luck = random.Random(seed)
        self.source = Scripted(history=self.luck.choice([5, 20, 1_000]))
        self.room = Room(self.source, most=self.luck.choice([2, 10, 50]), patience_s=0.05)
        self.wire: list[bytes] = []
        self.inside: list[Visitor] = []
        self.outside = [Visitor() for _ in range(4)]
        self.unseen: set[str] = set()

    def publish(self) -> None:
        for _ in range(self.luck.randint(1, 6)):
            # Its text is a number that is never used again, so a story without holes counts by one.
            self.wire.append(self.source.say(str(self.source.luck + 1)))

    def deliver(self) -> None:
        for _ in range(self.luck.randint(1, 9)):
            if self.wire:
                self.source.on_message(self.wire.pop(0))

    def interrupt(self) -> None:
        self.wire.clear()
        for _ in range(self.luck.randint(0, 3)):
            self.source.say(str(self.source.luck + 1))
        self.source.on_gap()

    def restart_with_loss(self) -> None:
        lost = min(len(self.source.kept), self.luck.randint(0, 3))
        if lost:
            seen = self.room.feed.position
            newest = int(seen.offset.partition("-")[2]) if seen is not None else 0
            # What nobody had seen when Redis lost it is as if it had never been published.
            self.unseen |= {kept.text for kept in self.source.kept[-lost:] if int(kept.text) > newest}
            self.source.lose(lost)
        self.interrupt()

    def flush(self) -> None:
        self.source.epoch += "x"
        self.source.count, self.source.kept = 0, []
        self.interrupt()

    def delay(self) -> None:
        if self.source.answering.is_set():
            self.source.answering.clear()
        else:
            self.source.answering.set()

    def go_away(self) -> None:
        self.source.is_away = not self.source.is_away

    async def come(self) -> None:
        if not self.outside:
            return
        visitor = self.outside.pop(self.luck.randrange(len(self.outside)))
        try:
            joined = await self.room.join(visitor, visitor.position, self.luck.choice([0, 3]))
        except Unavailable:
            self.outside.append(visitor)
            return
        for kept in joined.messages:
            # A history that lost some in its midst is a history still.
            visitor.story += [kept.text] if joined.recovered else ["gap", kept.text]
        if not joined.recovered and not joined.messages:
            visitor.story.append("gap")
        visitor.position = joined.position
        self.inside.append(visitor)

    async def go(self) -> None:
        if self.inside:
            visitor = self.inside.pop(self.luck.randrange(len(self.inside)))
            self.room.leave(visitor)
            visitor.end_visit()
            self.outside.append(visitor)

    async def step(self) -> None:
        calm: list[Callable[[], object]] = [self.publish, self.publish, self.deliver, self.deliver, self.come, self.go]
        rough = [self.interrupt, self.restart_with_loss, self.delay, self.go_away, self.flush]
        happened = self.luck.choice(calm * 3 + rough)()
        if asyncio.iscoroutine(happened):
            await happened
        for _ in range(self.luck.randint(0, 3)):
            await asyncio.sleep(0)


def holes(story: list[str], unseen: set[str]) -> list[tuple[str, str]]:
    """Neighbours in a story that do not follow each other, though no gap was told between them."""
    return [
        (one, two)
        for one, two in pairwise(story)
        if "gap" not in (one, two)
        and (int(two) <= int(one) or any(str(n) not in unseen for n in range(int(one) + 1, int(two))))
    ]


@pytest.mark.parametrize("seed", range(25))
async def test_no_hole_is_silent_and_nothing_comes_twice(seed: int) -> None:
    weather = Weather(seed)
    await eventually(lambda: weather.room.is_open)
    for _ in range(STEPS):
        await weather.step()

    weather.source.answering.set()
    weather.source.is_away = False
    while weather.wire:
        weather.deliver()
    await eventually(lambda: not weather.room.feed.is_behind)
    while weather.outside:
        await weather.come()
    final = str(weather.source.luck + 1)
    weather.source.cast(final)

    for visitor in weather.inside:
        visitor.end_visit()
        told = [text for text in visitor.story if text != "gap"]
        assert holes(visitor.story, weather.unseen) == [], visitor.story
        assert len(told) == len(set(told)) or "gap" in visitor.story
        assert visitor.story[-1] == final
    await weather.room.close()
