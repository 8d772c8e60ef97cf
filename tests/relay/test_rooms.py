"""Rooms over WebSocket: join, publish, resume, on a real server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from django_redis_bus.access import anyone
from django_redis_bus.core.keys import ChannelKeys, stream_key
from django_redis_bus.relay.presence import Presence
from django_redis_bus.relay.room import Room

from .conftest import person


@pytest.fixture
def chat(channel: Any) -> Any:
    return channel("chat:{room}", history=100, can_join=anyone, can_publish=anyone)


async def test_what_one_says_the_other_hears_as_an_event(chat: Any, browser: Any) -> None:
    ada, bob = await browser(user=person(7, "ada")), await browser()
    await ada.join("chat:lobby")
    await bob.join("chat:lobby")

    answer = await ada.ask("publish", topic="chat:lobby", data={"text": "hello"})
    heard = await bob.next()

    assert answer["do"] == "published"
    assert answer["offset"].startswith("1-")
    assert (heard["do"], heard["topic"]) == ("event", "chat:lobby")
    assert heard["event"]["data"] == {"text": "hello"}
    assert heard["event"]["id"] == answer["event_id"]
    assert (heard["event"]["authorid"], heard["event"]["authorname"]) == ("7", "ada")


async def test_who_comes_back_gets_exactly_what_was_missed(chat: Any, browser: Any) -> None:
    ada = await browser()
    joined = await ada.join("chat:lobby")
    for number in range(3):
        await chat(room="lobby").apublish({"n": number})
    first, *_ = [await ada.next() for _ in range(3)]  # by then the process has them all: none comes behind the answer
    await ada.close()

    again = await (await browser()).join("chat:lobby", epoch=joined["epoch"], offset=first["event"]["offset"])

    assert again["recovered"] is True
    assert [event["data"]["n"] for event in again["messages"]] == [1, 2]
    assert again["offset"] == again["messages"][-1]["offset"]


async def test_messages_while_a_topic_is_joined_again_come_once(
    chat: Any, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await browser()
    joined = await ada.join("chat:lobby")
    join = Room.join

    async def slowly(*args: Any) -> Any:
        await chat(room="lobby").apublish({"n": 1})
        await asyncio.sleep(0.1)
        return await join(*args)

    monkeypatch.setattr(Room, "join", slowly)
    again = await ada.join("chat:lobby", epoch=joined["epoch"], offset=joined["offset"])
    await chat(room="lobby").apublish({"n": 2})

    assert [event["data"] for event in again["messages"]] == [{"n": 1}]
    assert ada.passed == []
    assert await ada.events(1) == [{"n": 2}]


async def test_nothing_of_a_topic_comes_before_its_joined(
    channel: Any, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = channel("team:{room}", can_join=anyone, presence=True, history=5)
    enter = Presence.enter

    async def slowly(*args: Any) -> Any:
        await team(room="a").apublish({"n": 1})
        await asyncio.sleep(0.1)
        return await enter(*args)

    monkeypatch.setattr(Presence, "enter", slowly)
    ada = await browser()
    joined = await ada.join("team:a")

    assert ada.passed == []
    assert joined["messages"] == []
    assert await ada.events(1) == [{"n": 1}]


async def test_a_channel_without_a_history_is_live_only(channel: Any, browser: Any) -> None:
    live = channel("live:{room}", can_join=anyone, can_publish=anyone)
    await live(room="a").apublish({"n": 0})
    ada = await browser()
    joined = await ada.join("live:a", history=10)
    answer = await ada.ask("publish", topic="live:a", data={"n": 1})

    assert (joined["epoch"], joined["offset"], joined["recovered"], joined["messages"]) == (None, None, None, [])
    assert "offset" not in answer
    again = await ada.join("live:a", epoch="e", offset="1-1")
    assert again["recovered"] is False


async def test_who_only_joins_leaves_nothing_for_long(chat: Any, browser: Any, server: Any, prefix: str) -> None:
    live = ChannelKeys(stream_key(prefix, "chat:lobby")).live
    ada = await browser()

    await ada.join("chat:lobby")
    assert 0 < server.client().pttl(live) <= 600_000

    await chat(room="lobby").apublish({"n": 1})
    assert server.client().pttl(live) > 6 * 24 * 3_600_000


async def test_an_epoch_that_ended_before_its_first_message_loses_nothing(
    chat: Any, browser: Any, server: Any, prefix: str
) -> None:
    ada = await browser()
    await ada.join("chat:lobby")

    server.client().delete(ChannelKeys(stream_key(prefix, "chat:lobby")).live)
    for number in range(3):
        await chat(room="lobby").apublish({"n": number})

    assert await ada.events(3) == [{"n": 0}, {"n": 1}, {"n": 2}]


async def test_ephemeral_messages_are_heard_and_not_kept(chat: Any, browser: Any) -> None:
    ada, bob = await browser(), await browser()
    await ada.join("chat:lobby")
    await bob.join("chat:lobby")

    answer = await ada.ask("publish", topic="chat:lobby", data={"typing": True}, type="chat.typing", ephemeral=True)
    heard = await bob.next()

    assert answer["do"] == "published"
    assert "offset" not in answer
    assert (heard["event"]["type"], heard["event"]["ephemeral"]) == ("chat.typing", True)
    assert (await (await browser()).join("chat:lobby", history=10))["messages"] == []


async def test_who_may_hear_need_not_be_allowed_to_speak(channel: Any, browser: Any) -> None:
    channel("news:{topic}", can_join=anyone)
    ada = await browser()

    assert (await ada.join("news:sports"))["can_publish"] is False
    assert (await ada.ask("publish", topic="news:sports", data={}))["code"] == "forbidden"


async def test_a_channel_of_the_settings_and_its_rules(bus_settings: Any, browser: Any) -> None:
    bus_settings(CHANNELS={"board:{name}": {"HISTORY": 5, "CAN_JOIN": "django_redis_bus.access.signed_in"}})
    guest, ada = await browser(), await browser(user=person(7, "ada"))

    assert (await guest.join("board:a"))["code"] == "forbidden"
    assert (await ada.join("board:a"))["epoch"] is not None


async def test_one_subscription_and_one_opening_for_a_crowd(chat: Any, browser: Any, server: Any, prefix: str) -> None:
    pages = [await browser() for _ in range(30)]

    await asyncio.gather(*(page.join("chat:lobby") for page in pages))
    await chat(room="lobby").apublish({"n": 1})

    assert server.client().pubsub_numsub(f"{prefix}:chat:lobby") == [(f"{prefix}:chat:lobby".encode(), 1)]
    for page in pages:
        assert await page.events(1) == [{"n": 1}]


async def test_who_left_hears_nothing_and_may_come_back(chat: Any, browser: Any) -> None:
    ada = await browser()
    joined = await ada.join("chat:lobby")
    assert await ada.ask("leave", topic="chat:lobby") == {"do": "left", "id": 2, "topic": "chat:lobby"}
    await chat(room="lobby").apublish({"n": 1})
    assert await ada.is_silent()

    again = await ada.join("chat:lobby", epoch=joined["epoch"], offset=joined["offset"])

    assert [event["data"] for event in again["messages"]] == [{"n": 1}]
    assert (await ada.ask("leave", topic="chat:nowhere"))["do"] == "left"


async def test_anonymous_rooms_touch_no_database(chat: Any, browser: Any) -> None:
    """pytest-django would fail a query here: the test has not asked for a database."""
    ada = await browser()
    await ada.join("chat:lobby")

    assert (await ada.ask("publish", topic="chat:lobby", data={}))["do"] == "published"
