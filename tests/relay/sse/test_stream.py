"""Topics as server-sent events, through Django's own ASGI handler: what comes, and what a return brings."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from django_redis_bus.access import anyone
from django_redis_bus.bus import buses
from django_redis_bus.relay.guard import guard_of
from django_redis_bus.relay.presence import presence_of
from django_redis_bus.relay.protocol import User
from django_redis_bus.relay.rooms import rooms_of

from ..conftest import eventually
from .event_source import LOBBY, members


async def say(chat: Any, *said: Any, room: str = "lobby") -> list[Any]:
    return [await chat(room=room).apublish(each) for each in said]


# --- what comes


async def test_a_message_comes_as_json_with_its_topic_and_its_place(chat: Any, listen: Any) -> None:
    source = await listen(LOBBY).joined()

    (published,) = await say(chat, {"text": "hello"})
    name, data = await source.next()

    assert (name, data["topic"], data["event"]["data"]) == ("message", LOBBY, {"text": "hello"})
    assert source.parser.last_id == f"{published.epoch}:{published.offset}"


async def test_the_answer_is_a_stream_that_nobody_stores_or_packs(chat: Any, listen: Any) -> None:
    source = await listen(LOBBY, headers={"Accept-Encoding": "gzip"}).joined()

    assert source.status == 200
    assert source.headers["Content-Type"] == "text/event-stream"
    assert source.headers["X-Accel-Buffering"] == "no"
    assert "no-cache" in source.headers["Cache-Control"]
    assert "no-transform" in source.headers["Cache-Control"]


async def test_browsers_are_told_different_times_to_come_back(chat: Any, listen: Any, bus_settings: Any) -> None:
    bus_settings(RELAY={"spread": "10s"})
    sources = [await listen(LOBBY).joined() for _ in range(8)]

    times = [source.parser.retry_ms for source in sources]

    assert len(set(times)) > 1
    assert all(500 <= each <= 10_500 for each in times)


async def test_a_silent_stream_says_that_it_lives(chat: Any, listen: Any, bus_settings: Any) -> None:
    bus_settings(RELAY={"keepalive": 1})
    source = await listen(LOBBY).joined()

    await eventually(lambda: source.parser.comments.count("keep-alive") >= 1)

    assert source.waiting == 0


async def test_what_is_not_kept_moves_no_place(chat: Any, listen: Any) -> None:
    source = await listen(LOBBY).joined()
    await say(chat, 1)
    await source.next()
    before = source.parser.last_id

    await chat(room="lobby").apublish("typing", ephemeral=True)

    assert await source.take(1) == ["typing"]
    assert source.parser.last_id == before


async def test_history_is_given_if_it_is_wanted(chat: Any, listen: Any) -> None:
    await say(chat, 1, 2, 3)

    assert await listen(LOBBY, history=2).take(3) == [2, 3, "joined"]
    assert await listen(LOBBY).take(1) == ["joined"]


@pytest.mark.parametrize(
    "foreign",
    [
        b'{\n "text": "two lines",\r\n "n": 1\r}',
        b'two lines\n\nevent: gap\ndata: {"topic": "chat:lobby"}\n\n',
        b"\r\rid: 0\r\r",
        '"\u2028 and \u2029 and \u0085"'.encode(),
        b"\xff\xfe\n\n",
        b'{"specversion":"1.0","id":"1","source":"x","type":"t","data":"a\nid: 7\nb"}',
    ],
)
async def test_what_others_publish_is_one_event_whatever_is_in_it(
    foreign: bytes, chat: Any, listen: Any, redis_client: Any, prefix: str
) -> None:
    source = await listen(LOBBY).joined()
    place = source.parser.last_id

    redis_client.publish(f"{prefix}:{LOBBY}", foreign)
    await say(chat, "after")

    name, data = await source.next()
    assert name == "message"
    assert data["event"]["specversion"] == "1.0"
    assert await source.take(1) == ["after"]
    assert place.split(":")[0] == source.parser.last_id.split(":")[0]


# --- coming back


async def test_who_comes_back_gets_exactly_what_was_missed(chat: Any, listen: Any) -> None:
    source = await listen(LOBBY).joined()
    await say(chat, 1)
    await source.next()
    await source.leave()
    await say(chat, 2, 3)

    again = listen(LOBBY, last_id=source.parser.last_id)
    missed = await again.take(3)
    await say(chat, 4)

    assert missed == [2, 3, "joined"]
    assert await again.take(1) == [4]


async def test_each_topic_goes_on_from_its_own_place(chat: Any, listen: Any) -> None:
    source = listen(LOBBY, "chat:tea")
    await source.take(2)
    await say(chat, "l1", "l2")
    await say(chat, "t1", room="tea")
    assert await source.take(3) == ["l1", "l2", "t1"]
    await source.leave()
    await say(chat, "t2", room="tea")
    await say(chat, "l3")

    again = listen(LOBBY, "chat:tea", last_id=source.parser.last_id)

    assert await again.take(4) == ["l3", "joined", "t2", "joined"]


async def test_a_page_goes_on_from_where_it_was_made(chat: Any, listen: Any) -> None:
    first, second, *_ = await say(chat, 1, 2, 3)
    last = f"{first.epoch}:{first.offset}"

    source = listen(LOBBY, last=last)
    assert await source.take(3) == [2, 3, "joined"]

    # Coming back, what it has seen itself counts: its address is still the one that the page had.
    again = listen(LOBBY, last=last, last_id=f"{second.epoch}:{second.offset}")
    assert await again.take(2) == [3, "joined"]


async def test_who_came_before_the_first_message_misses_nothing(chat: Any, listen: Any) -> None:
    source = await listen(LOBBY).joined()
    await source.leave()
    await say(chat, 1)

    assert await listen(LOBBY, last_id=source.parser.last_id).take(2) == [1, "joined"]


async def test_what_is_lost_is_told_before_what_is_left(channel: Any, listen: Any) -> None:
    few = channel("few:{room}", history=2, can_join=anyone)
    source = await listen("few:a").joined()
    await source.leave()
    await say(few, 1, 2, 3, room="a")

    again = listen("few:a", last_id=source.parser.last_id, history=2)

    name, data = await again.next()
    assert (name, data["topic"]) == ("gap", "few:a")
    assert await again.take(3) == [2, 3, "joined"]
    assert again.parser.last_id == f"{data['epoch']}:{data['offset']}"


@pytest.mark.parametrize("last_id", ["nonsense", "-", "e1:5", "e1:5-1,e2:6-2", "e:1-2\x00", "другой"])
async def test_a_place_that_nobody_knows_is_a_gap(last_id: str, chat: Any, listen: Any) -> None:
    assert await listen(LOBBY, last=last_id).take(2) == ["gap", "joined"]


async def test_a_channel_that_keeps_nothing_has_a_gap_at_each_return(channel: Any, listen: Any) -> None:
    channel("tick:{room}", can_join=anyone)
    source = await listen("tick:a").joined()
    await source.leave()

    assert source.parser.last_id == "-"
    assert await listen("tick:a", last_id="-").take(2) == ["gap", "joined"]


async def test_a_gap_in_the_room_is_told_to_all_of_it(channel: Any, listen: Any) -> None:
    channel("tick:{room}", can_join=anyone)
    source = await listen("tick:a").joined()

    rooms_of(buses["default"]).get("tick:a").feed.on_gap()

    name, data = await source.next()
    assert (name, data) == ("gap", {"topic": "tick:a", "epoch": None, "offset": None, "missed": None})


# --- going


async def test_who_goes_leaves_nothing_behind(chat: Any, listen: Any) -> None:
    source = await listen(LOBBY).joined()
    assert members(LOBBY) == 1

    await source.leave()

    assert members(LOBBY) == 0
    assert not guard_of(buses["default"])._due


async def test_who_goes_while_it_comes_in_leaves_nothing_behind(chat: Any, listen: Any) -> None:
    for turns in range(0, 60, 3):
        source = listen(LOBBY, "chat:tea", "chat:packing")
        for _ in range(turns):
            await asyncio.sleep(0)
        await source.leave()

    assert [members(topic) for topic in (LOBBY, "chat:tea", "chat:packing")] == [0, 0, 0]
    assert not guard_of(buses["default"])._due


async def test_while_redis_is_away_a_browser_is_told_to_come_back(chat: Any, listen: Any, bus_settings: Any) -> None:
    # Given a page that has been here
    bus_settings(LOCATION="redis://127.0.0.1:1", DEADLINE=0.2)

    source = listen(LOBBY, last_id="e1:5-7")
    await source.ended()

    # Then it keeps its place: an error would end an EventSource for good
    assert source.status == 200
    assert source.parser.retry_ms is not None
    assert source.parser.last_id == ""
    assert source.waiting == 0
    assert "unavailable" in source.parser.comments[-1]


async def test_presence_is_not_told_and_what_is_like_it_is(channel: Any, listen: Any) -> None:
    team = channel("team:{room}", history=10, can_join=anyone, presence=True)
    source = await listen("team:a").joined()
    presence = presence_of(buses["default"])

    await presence.enter("team:a", "s1", User(id="7", name="ada"))
    await team(room="a").apublish({"n": 1}, type="team.typing", ephemeral=True)

    assert await source.take(1) == [{"n": 1}]


async def test_an_interruption_that_was_healed_is_told(chat: Any, listen: Any) -> None:
    source = await listen(LOBBY).joined()
    await say(chat, 1)
    await source.take(1)
    place = source.parser.last_id

    rooms_of(buses["default"]).get(LOBBY).feed.on_gap()

    assert await source.next() == ("interrupted", {"topic": LOBBY})
    assert source.parser.last_id == place
