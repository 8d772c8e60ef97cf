"""More than a listener takes: its queue, the others, and what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from django_redis_bus import Bus, Event
from django_redis_bus.core.gaps import Gap
from tests.listening.conftest import Publish, until

Declare = Callable[..., Any]


@dataclass
class Chat:
    text: str


@pytest.fixture
def got() -> list[Any]:
    return []


async def test_a_listener_that_blocks_has_a_connection_of_its_own(bus: Bus, publish: Publish, got: list[Any]) -> None:
    # Given one that hangs, in whose queue one message has room
    free = asyncio.Event()

    async def hang(event: Event[Any]) -> None:
        await free.wait()
        got.append(event.data)

    numbers = list(range(300))
    beside: list[Any] = []
    await bus.subscribe("a", hang, queue=1, overflow="block")
    await bus.subscribe("a", lambda event: beside.append(event.data))

    # When more comes
    await publish("a", *map(str, numbers))

    # Then others hear it, and it loses nothing
    await until(lambda: beside == numbers)
    assert got == []
    free.set()
    await until(lambda: got == numbers)
    assert bus.live.counts["dropped"] == 0
    await bus.aclose()
    assert bus._heres is not None


async def test_a_slow_listener_is_told_what_it_missed(bus: Bus, publish: Publish) -> None:
    seen: list[Any] = []

    async def slow(event: Event[Any]) -> None:
        seen.append(event.data)
        await asyncio.sleep(0.02)

    quick: list[Any] = []
    await bus.subscribe("a", slow, queue=5, on_gap=seen.append)
    await bus.subscribe("a", lambda event: quick.append(event.data))
    await publish("a", "first")
    await until(lambda: seen)

    numbers = list(range(200))
    await publish("a", *map(str, numbers))

    await until(lambda: seen[-1] == 199)
    assert quick == ["first", *numbers]
    gaps = [item for item in seen if isinstance(item, Gap)]
    delivered = len(seen) - len(gaps)
    assert sum(gap.missed or 0 for gap in gaps) + delivered == 201
    assert {gap.reason for gap in gaps} == {"overflow"}
    assert bus.live.counts["dropped"] == 201 - delivered
    assert len(gaps) <= 3


async def test_a_burst_beyond_the_queue_is_no_loss_for_one_that_is_fast(bus: Bus, publish: Publish) -> None:
    seen: list[Any] = []

    async def note(event: Event[Any]) -> None:
        seen.append(event.data)

    for queue in (10, 1_000):
        await bus.subscribe("a", note, queue=queue)
    for _ in range(3):
        await publish("a", *["x"] * 3_000)
        await asyncio.sleep(0)

    await until(lambda: len(seen) == 18_000)
    assert bus.live.counts["dropped"] == 0
