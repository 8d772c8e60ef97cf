"""Reading on from a place in a channel's history: all that follows it, or the truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.core.events import Keeping
from django_redis_bus.core.exceptions import OutOfMemory, Unavailable
from django_redis_bus.core.keys import ChannelKeys
from django_redis_bus.core.live import offset_of
from django_redis_bus.transport.clients import Clients
from django_redis_bus.transport.history import Resumed, aresume, arotate, resume, rotate
from django_redis_bus.transport.publish import Cast, Live, append
from tests.servers import Server
from tests.transport.appending import Connect, colours
from tests.transport.casting import full

Ask = Callable[..., Any]


class Room:
    """One channel that keeps its newest `most` messages; `say(n)` publishes message n."""

    def __init__(self, clients: Clients, prefix: str, most: int = 5) -> None:
        self.clients = clients
        self.keys = ChannelKeys(f"{prefix}:room")
        self._keeping = Keeping(most, 60_000)

    def say(self, *numbers: int) -> Cast:
        """Returns what became of the last one."""
        data = b'{"specversion":"1.0","id":"e","source":"s","type":"t","data":%d}'
        what = [Live(self.keys.channel, data % n, self._keeping) for n in numbers]
        found = append(self.clients, what, window_s=None, deadline_s=5.0)[-1]
        assert isinstance(found, Cast)
        return found

    def after(self, place: Cast | None, *, limit: int = 100, **options: Any) -> Resumed:
        at = (None, None) if place is None else (place.epoch, place.offset)
        return resume(self.clients, self.keys, *at, limit=limit, deadline_s=5.0, **options)


@pytest.fixture
def room(any_server: Server, prefix: str, clients_of: Connect) -> Room:
    return Room(clients_of(any_server), prefix)


def numbers(found: Resumed) -> list[int]:
    return [json.loads(raw)["data"] for raw in found.messages]


def test_what_follows_a_place_is_given_whole(room: Room) -> None:
    first = room.say(1)
    last = room.say(2, 3, 4)
    found = room.after(first)
    assert (found.recovered, numbers(found)) == (True, [2, 3, 4])
    assert (found.epoch, found.offset) == (last.epoch, last.offset)
    assert [offset_of(raw) for raw in found.messages][-1] == (last.epoch, last.offset)
    # Nothing follows the last
    assert room.after(last) == Resumed(last.epoch, last.offset, True, [])


@colours
async def test_both_colours(any_server: Server, prefix: str, clients_of: Connect, colour: str) -> None:
    room = Room(clients_of(any_server), prefix)
    first, last = room.say(1), room.say(2)
    if colour == "sync":
        found = room.after(first)
        ended = rotate(room.clients, room.keys, str(first.epoch), deadline_s=5.0)
    else:
        asked = (first.epoch, first.offset)
        found = await aresume(room.clients, room.keys, *asked, limit=100, deadline_s=5.0)
        ended = await arotate(room.clients, room.keys, str(first.epoch), deadline_s=5.0)
        await room.clients.aclose()
    assert (found.recovered, numbers(found), found.offset) == (True, [2], last.offset)
    assert ended not in (None, first.epoch)


def test_without_a_place_the_newest_are_given(room: Room) -> None:
    room.say(1, 2, 3, 4)
    assert (room.after(None).recovered, numbers(room.after(None))) == (None, [1, 2, 3, 4])
    assert numbers(room.after(None, limit=2)) == [3, 4]
    assert numbers(room.after(None, limit=0)) == []
    assert room.after(None, limit=0).offset == room.after(None).offset


def test_more_than_the_limit_is_not_recovered(room: Room) -> None:
    first = room.say(1)
    room.say(2, 3, 4)
    assert room.after(first, limit=3).recovered is True
    found = room.after(first, limit=2)
    assert (found.recovered, numbers(found)) == (False, [3, 4])
    assert room.after(first, limit=0) == Resumed(found.epoch, found.offset, False, [])


def test_a_place_that_was_trimmed_away_is_not_recovered(room: Room) -> None:
    first, second = room.say(1), room.say(2)
    room.say(3, 4, 5, 6)  # five are kept: 2 to 6
    assert (room.after(second).recovered, numbers(room.after(second))) == (True, [3, 4, 5, 6])
    assert (room.after(first).recovered, numbers(room.after(first))) == (False, [2, 3, 4, 5, 6])


@pytest.mark.parametrize(
    ("epoch", "offset"),
    [
        ("another", None),
        (None, "another"),
        ("another", "1-1"),
        (None, "2-1"),  # the number of one that is there, with another random part
        (None, "9-9"),
        (None, "2"),
        (None, "-"),
        (None, "+"),
        (None, "$"),
        (None, "1-"),
        (None, "１-1"),
        (None, "1-1\n"),
        (None, "99999999999999999999-1"),
        (None, "0-1"),
    ],
)
def test_a_place_that_is_none_is_not_recovered(room: Room, epoch: str | None, offset: str | None) -> None:
    place = room.say(1, 2)
    asked = (epoch or place.epoch, offset)
    found = resume(room.clients, room.keys, *asked, limit=100, deadline_s=5.0)
    assert (found.recovered, numbers(found)) == (False, [1, 2])


def test_a_number_that_is_used_again_is_another_place(room: Room, any_server: Server) -> None:
    # Given a reader who has seen message 3, which Redis then lost, with 2, in a crash
    first, third = room.say(1), room.say(2, 3)
    client = any_server.client()
    client.delete(room.keys.history)
    client.xadd(room.keys.history, {"e": b'{"data":1}'}, id=str(first.offset))
    client.hset(room.keys.live, "n", "1")
    # When others use the numbers again
    again = room.say(12, 13)
    assert (again.epoch, str(again.offset).partition("-")[0]) == (third.epoch, "3")
    # Then its place is not found, and that of whoever had seen only the first is
    assert room.after(third).recovered is False
    assert (room.after(first).recovered, numbers(room.after(first))) == (True, [12, 13])


def test_a_history_without_its_entries_is_no_place(room: Room, any_server: Server) -> None:
    last = room.say(1, 2)
    any_server.client().delete(room.keys.history)
    found = room.after(last)
    assert (found.epoch, found.offset, found.recovered) == (last.epoch, "2-0", False)
    room.say(3)
    assert room.after(Cast(0, found.epoch, found.offset)).recovered is False


def test_a_channel_without_history_has_no_place(room: Room) -> None:
    assert room.after(None) == Resumed(None, None, None, [])
    assert room.after(Cast(0, "e", "1-1")) == Resumed(None, None, False, [])


def test_who_comes_before_the_first_message_has_a_place(room: Room, any_server: Server) -> None:
    found = room.after(None, begin_ms=60_000)
    assert (found.offset, found.recovered, found.messages) == ("0-0", None, [])
    assert 50_000 < any_server.client().pttl(room.keys.live) <= 60_000
    place = Cast(0, found.epoch, found.offset)
    assert room.after(place, begin_ms=60_000) == Resumed(found.epoch, "0-0", True, [])
    first = room.say(1, 2)
    assert first.epoch == found.epoch
    assert (room.after(place).recovered, numbers(room.after(place))) == (True, [1, 2])
    # until the first one is gone
    room.say(3, 4, 5, 6)
    assert room.after(place).recovered is False


def test_to_begin_changes_nothing_where_something_is(room: Room) -> None:
    last = room.say(1)
    assert room.after(None, begin_ms=1).epoch == last.epoch
    assert room.after(last, begin_ms=1).recovered is True


def test_an_epoch_without_a_message_lives_from_one_who_asks_to_the_next(room: Room, any_server: Server) -> None:
    found = room.after(None, begin_ms=1_000)
    assert room.after(None, begin_ms=60_000).epoch == found.epoch
    assert any_server.client().pttl(room.keys.live) > 50_000
    # but who only reads keeps nothing alive, and a message has a time of its own
    assert room.after(None, begin_ms=1_000).epoch == found.epoch
    room.after(None)
    assert any_server.client().pttl(room.keys.live) <= 1_000
    room.say(1)
    kept_ms = any_server.client().pttl(room.keys.live)
    room.after(None, begin_ms=1)
    assert any_server.client().pttl(room.keys.live) > kept_ms - 1_000


def test_after_a_flush_everybody_is_told(room: Room, any_server: Server) -> None:
    last = room.say(1, 2)
    any_server.client().delete(room.keys.live, room.keys.history)
    found = room.after(last, begin_ms=60_000)
    assert found.recovered is False
    assert found.epoch not in (None, last.epoch)


def test_an_epoch_is_ended_once(room: Room) -> None:
    first, last = room.say(1), room.say(2)
    ended = rotate(room.clients, room.keys, str(last.epoch), deadline_s=5.0)
    # Then nobody resumes from a place in it; what is kept stays
    assert room.after(first).recovered is False
    assert numbers(room.after(first)) == [1, 2]
    assert (room.after(None).epoch, room.after(None).offset) == (ended, last.offset)
    # Whoever comes second changes nothing, and hears of the one that holds
    assert rotate(room.clients, room.keys, str(last.epoch), deadline_s=5.0) == ended
    # and the numbers go on
    third = room.say(3)
    assert (third.epoch, str(third.offset).partition("-")[0]) == (ended, "3")
    assert room.after(Cast(0, ended, last.offset)).recovered is True


def test_where_there_is_no_history_there_is_nothing_to_end(room: Room) -> None:
    assert rotate(room.clients, room.keys, "e", deadline_s=5.0) is None


def test_a_full_server_still_resumes(own_server: Callable[..., Server], prefix: str, clients_of: Connect) -> None:
    server = own_server(aof=False, maxmemory="8mb")
    room = Room(clients_of(server), prefix)
    first = room.say(1)
    room.say(2)
    full(server)
    assert numbers(room.after(first)) == [2]
    found = append(room.clients, [Live(room.keys.channel, b"{}", Keeping(5, 1000))], window_s=None, deadline_s=5.0)
    assert isinstance(found[0], OutOfMemory)
    assert room.after(None, begin_ms=1000).offset == room.after(first).offset


def test_a_frozen_server_is_given_up_in_time(
    own_server: Callable[..., Server], prefix: str, clients_of: Connect
) -> None:
    server = own_server(aof=False)
    room = Room(clients_of(server), prefix)
    room.say(1)
    server.freeze()
    try:
        with pytest.raises(Unavailable, match=r"0\.2 s"):
            resume(room.clients, room.keys, limit=1, deadline_s=0.2)
    finally:
        server.thaw()
