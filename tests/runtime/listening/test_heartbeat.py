"""The heartbeat: what is taken for life, and what for death."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from django_redis_bus.runtime.listening import connection, session
from tests.runtime.listening.stages import Stage


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr(connection, "FIRST_WAIT_S", 0.01)
    made = Stage()
    yield made
    await made.live.close()
    assert all(link.is_closed for link in made.links)


def message(channel: bytes, data: bytes) -> list[bytes]:
    return [b"message", channel, data]


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(session, "TICK_S", 0.02)
    return 0.02


async def test_it_asks_for_a_sign_of_life_and_takes_silence_for_a_loss(fast: float, stage: Stage) -> None:
    await stage.attach("a")
    link = stage.links[0]

    # When it asks once, and gets no answer
    await stage.link(1)
    await stage.link(2)
    assert link.asked == [("subscribe", b"a")]

    link = stage.links[1]
    await link.say(*link.confirm())
    assert [item.reason for item in stage.heard] == ["silent"]


async def test_an_answer_in_time_is_no_loss(fast: float, stage: Stage) -> None:
    await stage.attach("a")
    link = stage.links[0]

    for _ in range(10):
        await stage.link(1)
        link.count -= 1  # it is subscribed already
        await link.say(*link.confirm())

    assert len(stage.links) == 1
    assert stage.heard == []


async def test_messages_are_a_sign_of_life_while_the_answer_waits_behind_them(fast: float, stage: Stage) -> None:
    await stage.attach("a")
    link = stage.links[0]
    await stage.link(1)

    for n in range(20):
        await link.say(message(b"a", str(n).encode()))
        await asyncio.sleep(fast)

    assert len(stage.links) == 1
    assert len(stage.heard) == 20


async def test_a_reading_that_waits_on_purpose_is_not_silence(fast: float, stage: Stage) -> None:
    await stage.attach("a")
    link = stage.links[0]
    free = asyncio.Event()

    class Full:
        async def relieved(self) -> None:
            await free.wait()

    # Given one that has just asked for a sign of life, and a queue that is full for long
    await stage.link(1)
    stage.live.pressed.append(Full())
    await link.say(message(b"a", b"1"), message(b"a", b"2"))
    await asyncio.sleep(fast * 10)
    assert stage.heard == ["a=1"]
    free.set()
    link.count -= 1
    await link.say(*link.confirm())
    await asyncio.sleep(fast)

    assert stage.heard == ["a=1", "a=2"]
    assert len(stage.links) == 1
