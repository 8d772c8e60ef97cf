"""What a room does when messages are missing: it reads them in the history, or tells that they are lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from django_redis_bus.core.exceptions import Unavailable
from django_redis_bus.relay.feed import HELD_MOST
from django_redis_bus.relay.room import Room
from django_redis_bus.relay.timeline import Position

from .conftest import eventually
from .sources import Listening, Scripted


def a_room(source: Scripted, *, most: int = 50, patience_s: float = 2.0) -> Room:
    return Room(source, most=most, patience_s=patience_s)


async def in_room(room: Room, **options: Any) -> tuple[Listening, Any]:
    member = Listening()
    return member, await room.join(member, options.get("position"), options.get("history", 0))


async def settled(room: Room) -> None:
    await eventually(lambda: not room.feed.is_behind)


async def test_a_hole_is_filled_before_what_follows(source: Scripted) -> None:
    room = a_room(source)
    member, _ = await in_room(room)
    source.cast()
    source.say()  # lost on its way
    source.cast()
    source.cast()
    await settled(room)
    source.cast()

    assert member.heard == ["1", "2", "3", "4", "5"]


async def test_after_a_gap_of_the_subscription_the_missing_come_in_order(source: Scripted) -> None:
    room = a_room(source)
    member, _ = await in_room(room)
    source.cast()
    source.say()
    source.say()
    source.on_gap()
    source.cast()
    await settled(room)

    assert member.heard == ["1", "2", "3", "4", "interrupted"]
    assert room.feed.gaps == 0


async def test_two_gaps_while_the_history_is_asked(source: Scripted) -> None:
    room = a_room(source)
    member, _ = await in_room(room)
    source.answering.clear()
    asked = source.asked
    source.on_gap()
    await eventually(lambda: source.asked > asked)
    source.say()
    source.on_gap()  # what Redis has said was before this
    source.answering.set()
    await settled(room)

    assert member.heard == ["1", "interrupted"]


async def test_too_many_missing_are_told_with_their_number(source: Scripted) -> None:
    source.history = 3
    room = a_room(source)
    member, _ = await in_room(room)
    source.cast()
    for _ in range(5):
        source.say()
    source.on_gap()
    await settled(room)
    source.cast("next")

    gap = member.items[1]
    assert member.heard == ["1", "gap", "next"]
    assert gap.missed == 5
    assert gap.position == Position("e1", "6-6")
    assert source.rotated == 0


async def test_lost_data_end_the_epoch_so_that_others_are_told_too(source: Scripted) -> None:
    room = a_room(source)
    member, _ = await in_room(room)
    for _ in range(5):
        source.cast()
    old = source.position
    behind, _ = source.read(b"e1 2-2 2")  # a client elsewhere that has not seen what is lost

    source.lose(2)
    source.on_gap()
    await settled(room)
    source.cast("new")

    assert member.heard == ["1", "2", "3", "4", "5", "gap", "new"]
    assert source.rotated == 1
    for position in (behind, old):
        _, joined = await in_room(room, position=position)
        assert joined.recovered is False


async def test_a_number_used_again_is_another_message(source: Scripted) -> None:
    room = a_room(source)
    member, _ = await in_room(room)
    for _ in range(3):
        source.cast()
    source.lose(2)
    source.say()
    source.cast("new 3")  # without a gap told before
    await settled(room)

    assert member.heard == ["1", "2", "3", "gap"]
    assert source.rotated == 1


async def test_a_history_that_expired_begins_anew_without_a_gap(source: Scripted) -> None:
    room = a_room(source)
    member, _ = await in_room(room)
    source.cast()
    source.epoch, source.count, source.kept = "e2", 0, []
    source.cast("first")
    source.cast("second")

    assert member.heard == ["1", "first", "second"]
    assert member.items[1].position == Position("e2", "1-2")


async def test_a_new_epoch_after_a_gap_is_a_loss_of_unknown_size(source: Scripted) -> None:
    room = a_room(source)
    member, _ = await in_room(room)
    source.cast()
    source.epoch, source.count, source.kept = "e2", 0, []
    source.on_gap()
    source.cast("first")
    await settled(room)
    source.cast("second")

    assert member.heard == ["1", "gap", "second"]
    assert member.items[1].missed is None


async def test_without_a_history_a_gap_is_told_at_once() -> None:
    source = Scripted(history=0)
    room = a_room(source)
    member, joined = await in_room(room)
    source.on_message(b"- - 1")
    source.on_gap()
    await settled(room)
    source.on_message(b"- - 2")

    assert joined.position is None
    assert member.heard == ["1", "gap", "2"]
    assert source.asked == 0


async def test_messages_without_a_place_keep_their_order_among_the_others(source: Scripted) -> None:
    room = a_room(source)
    member, _ = await in_room(room)
    source.cast()
    source.say()
    third = source.say()
    source.on_message(third)  # 2 is missing
    source.on_message(b"- - typing")
    await settled(room)

    assert member.heard == ["1", "2", "3", "typing"]


async def test_an_outage_is_survived_without_loss(source: Scripted) -> None:
    room = a_room(source)
    member, _ = await in_room(room)
    source.is_away = True
    source.say()
    source.on_gap()
    await asyncio.sleep(0.3)
    assert member.heard == []
    with pytest.raises(Unavailable):
        await Room.join(room, Listening(), None, 0)
    source.is_away = False
    await settled(room)

    assert member.heard == ["1", "interrupted"]


async def test_a_flood_while_the_history_is_away_is_read_from_it(source: Scripted) -> None:
    source.history = 5_000
    room = a_room(source, most=4_000)
    member, _ = await in_room(room)
    source.is_away = True
    source.on_gap()
    await asyncio.sleep(0)
    for _ in range(2_500):
        source.cast()
    source.is_away = False
    await settled(room)
    source.cast()

    assert member.heard == [*(str(n) for n in range(1, 2_501)), "interrupted", "2501"]


async def test_what_has_no_place_and_came_in_too_great_numbers_is_told_as_interrupted(source: Scripted) -> None:
    room = a_room(source)
    member, _ = await in_room(room)
    source.is_away = True
    source.say()
    source.cast()  # one before it is missing: what follows waits
    for number in range(HELD_MOST + 10):
        source.on_message(f"- - typing {number}".encode())
    source.is_away = False
    await settled(room)

    typed = [each for each in member.heard if each.startswith("typing")]
    assert 0 < len(typed) <= HELD_MOST
    assert [each for each in member.heard if each not in typed] == ["1", "2", "interrupted"]


async def test_messages_that_wait_for_a_moment_are_no_interruption(source: Scripted) -> None:
    room = a_room(source)
    member, _ = await in_room(room)
    source.say()
    source.cast()
    for number in range(3):
        source.on_message(f"- - typing {number}".encode())
    await settled(room)

    assert member.heard == ["1", "2", "typing 0", "typing 1", "typing 2"]


async def test_a_gap_says_it_all(source: Scripted) -> None:
    source.history = 3
    room = a_room(source)
    member, _ = await in_room(room)
    for _ in range(5):
        source.say()
    source.on_gap()
    await settled(room)

    assert member.heard == ["gap"]


async def test_old_messages_are_not_given_from_memory(source: Scripted) -> None:
    room = a_room(source)
    await in_room(room)
    source.cast("secret")
    source.history_age_s = 0.01
    source.epoch, source.count, source.kept = "e2", 0, []  # expired
    await asyncio.sleep(0.05)

    _, joined = await in_room(room, history=10)

    assert joined.messages == []


@pytest.fixture
def source() -> Scripted:
    return Scripted()
