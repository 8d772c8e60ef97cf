"""One room: every member gets every message once and in order, whatever happens at what moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from django_redis_bus.core.exceptions import Unavailable
from django_redis_bus.relay.room import Room

from .conftest import eventually
from .sources import Listening, Scripted


def a_room(source: Scripted, *, most: int = 50, patience_s: float = 2.0) -> Room:
    return Room(source, most=most, patience_s=patience_s)


async def in_room(room: Room, **options: Any) -> tuple[Listening, Any]:
    member = Listening()
    return member, await room.join(member, options.get("position"), options.get("history", 0))


async def settled(room: Room) -> None:
    await eventually(lambda: not room.feed.is_behind)


async def test_messages_while_the_room_opens_come_once(source: Scripted) -> None:
    source.say("old")
    source.answering.clear()
    room = a_room(source)
    joining = asyncio.create_task(in_room(room, history=10))
    await eventually(lambda: source.asked == 1)
    source.cast("meanwhile")  # after Redis has read the history, before its answer is here
    source.answering.set()

    member, joined = await joining
    source.cast("later")

    assert [kept.text for kept in joined.messages] + member.heard == ["old", "meanwhile", "later"]


async def test_one_opening_serves_all_who_come(source: Scripted) -> None:
    source.attaching = asyncio.get_running_loop().create_future()
    room = a_room(source)
    joins = [asyncio.create_task(in_room(room)) for _ in range(20)]
    await asyncio.sleep(0)
    joins[0].cancel()  # the first goes away again
    await asyncio.sleep(0)
    source.attaching.set_result(None)

    await asyncio.gather(*joins[1:])
    source.cast()

    assert source.asked == 1
    assert len(room.members) == 19


async def test_a_room_that_cannot_open_says_so_to_all(source: Scripted) -> None:
    source.is_away = True
    room = a_room(source)

    results = await asyncio.gather(in_room(room), in_room(room), return_exceptions=True)

    assert [type(result) for result in results] == [Unavailable, Unavailable]
    assert not room.may_open
    assert source.is_closed


async def test_who_comes_back_is_served_from_memory(source: Scripted) -> None:
    room = a_room(source)
    _, first = await in_room(room)
    for _ in range(3):
        source.cast()
    asked = source.asked

    _, joined = await in_room(room, position=first.position)

    assert joined.recovered is True
    assert [kept.text for kept in joined.messages] == ["1", "2", "3"]
    assert source.asked == asked


async def test_messages_while_a_member_resumes_come_once(source: Scripted) -> None:
    room = a_room(source, most=3)
    await in_room(room)
    raws = [source.cast() for _ in range(5)]
    position, _ = source.read(raws[0])  # out of memory, so Redis is asked
    source.history = 100
    room._most = 50
    source.answering.clear()
    joining = asyncio.create_task(in_room(room, position=position))
    asked = source.asked
    await eventually(lambda: source.asked > asked)
    source.cast()  # Redis has answered 2..5, and here comes 6
    source.answering.set()

    member, joined = await joining
    source.cast()

    assert joined.recovered is True
    assert [kept.text for kept in joined.messages] + member.heard == ["2", "3", "4", "5", "6", "7"]


async def test_what_the_history_knows_first_comes_once_to_everybody(source: Scripted) -> None:
    room = a_room(source, most=3)
    old, _ = await in_room(room)
    first = source.cast()
    for _ in range(4):
        source.cast()
    late = source.say()  # published; on its way to the room
    room._most = 50
    position, _ = source.read(first)
    asked = source.asked

    member, joined = await in_room(room, position=position)
    source.on_message(late)
    source.cast()

    assert [kept.text for kept in joined.messages] + member.heard == ["2", "3", "4", "5", "6", "7"]
    assert old.heard == ["1", "2", "3", "4", "5", "6", "7"]
    assert source.asked == asked + 1


async def test_a_member_that_was_ahead_of_this_process_gets_nothing_twice(source: Scripted) -> None:
    room = a_room(source)
    old, _ = await in_room(room)
    late = [source.say(), source.say()]  # another process has them already
    position, _ = source.read(late[1])

    member, joined = await in_room(room, position=position)
    for raw in late:
        source.on_message(raw)
    source.cast()

    assert joined.recovered is True
    assert joined.position == position
    assert (joined.messages, member.heard, old.heard) == ([], ["3"], ["1", "2", "3"])


async def test_who_leaves_hears_no_more_and_closing_ends_all(source: Scripted) -> None:
    room = a_room(source)
    member, _ = await in_room(room)
    room.leave(member)
    room.leave(member)
    source.cast()
    source.on_gap()
    await room.close()

    assert member.heard == []
    assert source.is_closed


@pytest.fixture
def source() -> Scripted:
    return Scripted()
