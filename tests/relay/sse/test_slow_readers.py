"""Browsers that read an event stream too slowly, or not at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from django_redis_bus.bus import buses
from django_redis_bus.relay import subscriber
from django_redis_bus.relay.guard import guard_of
from django_redis_bus.relay.protocol import Close
from django_redis_bus.relay.room import Room

from ..conftest import eventually
from .event_source import LOBBY, members


async def say(chat: Any, *said: Any, room: str = "lobby") -> list[Any]:
    return [await chat(room=room).apublish(each) for each in said]


async def test_a_slow_reader_is_let_out_and_comes_back_for_the_rest(chat: Any, listen: Any, bus_settings: Any) -> None:
    bus_settings(RELAY={"queue": 5})
    slow, quick = await listen(LOBBY).joined(), await listen(LOBBY).joined()
    slow.pause()
    heard = []
    for number in range(30):
        await say(chat, number)
        heard += await quick.take(1)

    assert heard == list(range(30))
    assert members(LOBBY) == 1
    assert not slow.task.done()  # it waits in the server, and holds nothing
    slow.go_on()
    await slow.ended()
    got = await slow.take(slow.waiting)
    assert got == [0]  # what was on its way
    rest = await listen(LOBBY, last_id=slow.parser.last_id).take(30 - len(got))
    assert got + rest == list(range(30))


async def test_a_burst_is_no_slowness(chat: Any, listen: Any, bus_settings: Any) -> None:
    bus_settings(RELAY={"queue": 5})
    source = await listen(LOBBY).joined()

    await buses["default"].apublish_many([(chat(room="lobby"), number) for number in range(50)])

    assert await source.take(50) == list(range(50))


async def test_who_reads_nothing_is_cut_off(
    chat: Any, listen: Any, bus_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber, "CLOSE_S", 0.2)
    bus_settings(RELAY={"queue": 5})
    slow, quick = await listen(LOBBY).joined(), await listen(LOBBY).joined()
    slow.pause()
    for number in range(30):
        await say(chat, number)
        await quick.take(1)

    await slow.ended()

    assert not slow.may_read
    assert not quick.task.done()
    assert len(guard_of(buses["default"])._due) == 1


async def test_a_few_long_messages_are_too_much_as_well(
    chat: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber, "MOST_BYTES", 50_000)
    slow = await listen(LOBBY).joined()
    slow.pause()

    await say(chat, *("x" * 10_000 for _ in range(4)))
    await asyncio.sleep(0.1)
    assert members(LOBBY) == 1
    await say(chat, *("x" * 10_000 for _ in range(4)))

    await eventually(lambda: members(LOBBY) == 0)


async def test_the_topics_are_read_one_after_the_other(chat: Any, listen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a browser that reads nothing once it is on its way into the first room
    join, came, may_enter = Room.join, asyncio.Event(), asyncio.Event()

    async def slowly(*args: Any) -> Any:
        came.set()
        await may_enter.wait()
        return await join(*args)

    monkeypatch.setattr(Room, "join", slowly)
    await say(chat, 1, room="tea")
    await say(chat, 2, room="packing")
    source = listen("chat:tea", "chat:packing", history=5)
    await came.wait()
    source.pause()
    may_enter.set()
    await eventually(lambda: members("chat:tea") == 1)
    await asyncio.sleep(0.2)
    assert members("chat:packing") == 0  # nobody has read what the first one had

    source.go_on()

    assert await source.take(4) == [1, "joined", 2, "joined"]


async def test_who_may_not_stay_is_let_into_no_more_topics(chat: Any, listen: Any) -> None:
    source = listen("chat:tea", "chat:packing")
    source.pause()
    await source.answer()
    await asyncio.sleep(0.1)
    (inside,) = guard_of(buses["default"])._due

    inside.close(Close.LOGGED_OUT)
    source.go_on()
    await source.ended()

    assert [(await source.next())[0] for _ in range(source.waiting)] == ["left", "left"]
    assert (members("chat:tea"), members("chat:packing")) == (0, 0)
