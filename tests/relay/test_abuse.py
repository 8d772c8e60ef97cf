"""What a hostile or broken client may try, and what it gets."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from django_redis_bus.access import anyone
from django_redis_bus.bus import buses
from django_redis_bus.relay.protocol import HUGE
from django_redis_bus.relay.rooms import rooms_of

from .conftest import person


@pytest.fixture(autouse=True)
def chat(channel: Any) -> Any:
    return channel("chat:{room}", payload=dict[str, str], history=10, can_join=anyone, can_publish=anyone)


@pytest.mark.parametrize(
    "text",
    [" ", "{", "[]", "7", "null", '"join"', '{"do":"ping"} {"do":"ping"}', "\x00", "[" * 5_000, '{"a":' * 3_000],
    ids=repr,
)
async def test_what_is_no_json_object_ends_the_socket(browser: Any, text: str) -> None:
    ada = await browser()

    await ada.socket.send_to(text_data=text)

    assert await ada.close_code() == 4400


async def test_a_binary_frame_ends_the_socket(browser: Any) -> None:
    ada = await browser()

    await ada.socket.send_to(bytes_data=b'{"do":"ping"}')

    assert await ada.close_code() == 4400


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"do": "dance"},
        {"do": 7},
        {"do": "join"},
        {"do": "join", "topic": 7},
        {"do": "join", "topic": None},
        {"do": "join", "topic": "chat:a", "epoch": "e"},
        {"do": "join", "topic": "chat:a", "history": "all"},
        {"do": "publish", "topic": "chat:a"},
        {"do": "publish", "topic": "chat:a", "data": {}, "type": 7},
        {"do": "publish", "topic": "chat:a", "data": {}, "ephemeral": "yes"},
        {"do": "ping", "id": {}},
        {"do": "ping", "id": True},
        {"do": "ping", "id": "x" * 65},
        {"do": "ping", "id": 2**70},
    ],
    ids=json.dumps,
)
async def test_a_frame_that_makes_no_sense_is_refused_and_the_socket_lives(browser: Any, frame: Any) -> None:
    ada = await browser()

    await ada.socket.send_to(text_data=json.dumps(frame))
    refused = await ada.next()

    assert (refused["do"], refused["code"]) == ("error", "bad_frame")
    assert (await ada.ask("ping"))["do"] == "pong"


async def test_a_refused_frame_is_told_by_its_id(browser: Any) -> None:
    ada = await browser()

    assert (await ada.ask("dance"))["code"] == "bad_frame"


async def test_nobody_publishes_where_they_are_not(browser: Any) -> None:
    ada = await browser()

    assert (await ada.ask("publish", topic="chat:a", data={}))["code"] == "not_joined"


@pytest.mark.parametrize("kind", ["bus.presence.joined", "bus.x"])
async def test_nobody_speaks_as_the_relay(browser: Any, kind: str) -> None:
    ada = await browser()
    await ada.join("chat:a")

    refused = await ada.ask("publish", topic="chat:a", data={"member": "x"}, type=kind)

    assert refused["code"] == "invalid_payload"


async def test_nobody_speaks_as_another(browser: Any) -> None:
    ada = await browser(user=person(7, "ada"))
    await ada.join("chat:a")

    await ada.say("publish", topic="chat:a", data={"text": "x"}, extensions={"authorid": "1"}, authorid="1", source="x")
    event, _ = await ada.until("event")

    assert event["event"]["authorid"] == "7"
    assert event["event"]["source"] == "tests"


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"data": {"text": 7}}, "invalid_payload"),
        ({"data": "text"}, "invalid_payload"),
        ({"data": None}, "invalid_payload"),
        ({"data": {"text": "x"}, "type": "a\nb"}, "invalid_payload"),
    ],
)
async def test_data_that_do_not_fit_are_refused(browser: Any, parts: Any, code: str) -> None:
    ada = await browser()
    await ada.join("chat:a")

    assert (await ada.ask("publish", topic="chat:a", **parts))["code"] == code


async def test_names_are_shown_without_control_characters(browser: Any) -> None:
    eve = await browser(user=person(8, "eve\r\n\x1b[31m\u202e"))
    await eve.join("chat:a")

    answer = await eve.ask("publish", topic="chat:a", data={"text": "x"})

    assert eve.welcome["user"]["name"].isprintable()
    assert answer["do"] == "published"


async def test_a_large_frame_is_refused_and_a_huge_one_ends_the_socket(bus_settings: Any, browser: Any) -> None:
    bus_settings(RELAY={"message_bytes": 100})
    ada = await browser()
    await ada.join("chat:a")

    refused = await ada.ask("publish", topic="chat:a", data={"text": "ü" * 40})  # fewer characters than bytes
    assert refused["code"] == "too_large"

    await ada.socket.send_to(text_data="x" * (HUGE * 100 + 1))
    assert await ada.close_code() == 4413


async def test_a_flood_is_refused_and_then_ended(bus_settings: Any, browser: Any) -> None:
    bus_settings(RELAY={"rate": 1, "burst": 5})
    ada = await browser()
    await ada.join("chat:a")

    answers = [(await ada.ask("publish", topic="chat:a", data={})).get("code") for _ in range(7)]
    for _ in range(200):
        await ada.say("publish", topic="chat:a", data={})

    assert answers == [None] * 5 + ["too_fast"] * 2
    assert await ada.close_code() == 4429


async def test_a_page_may_join_all_its_rooms_at_once_and_no_more(bus_settings: Any, browser: Any) -> None:
    bus_settings(RELAY={"rate": 1, "burst": 5, "rooms": 20})
    ada = await browser()

    answers = [await ada.join(f"chat:{n}") for n in range(21)]

    assert [answer["do"] for answer in answers] == ["joined"] * 20 + ["error"]
    assert answers[-1]["code"] == "too_many_rooms"
    assert (await ada.join("chat:3"))["do"] == "joined"  # it is in already


async def test_a_channel_that_no_browser_may_join_is_told_to_the_log_once(
    bus_settings: Any, channel: Any, browser: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bus_settings(RELAY={"push": ["given:{user.pk}"]})
    channel("closed:{room}")
    channel("given:{id}")
    ada = await browser()

    for topic in ("closed:a", "closed:b", "given:8"):
        assert (await ada.join(topic))["code"] == "forbidden"

    [record] = [each for each in caplog.records if "can_join" in each.getMessage()]
    assert "closed:{room}" in record.getMessage()


@pytest.mark.parametrize(
    "raw",
    [b"\xff\xfe", b"plain \x1b[31m text\r\n", b'{"type":"x","a":[1,2]}', b"[" * 2_000, b"", b'{"specversion":"1.0"}'],
    ids=repr,
)
async def test_whatever_another_program_publishes_reaches_the_browser_as_json(
    browser: Any, server: Any, prefix: str, raw: bytes
) -> None:
    ada = await browser()
    await ada.join("chat:a")

    server.client().publish(f"{prefix}:chat:a", raw)
    heard = await ada.next()

    assert heard["do"] == "event"
    assert heard["event"]["foreign"] is True


async def test_forged_positions_do_no_harm(browser: Any, chat: Any, server: Any, prefix: str) -> None:
    ada = await browser()
    joined = await ada.join("chat:a")
    await chat(room="a").apublish({"text": "1"})
    for epoch, offset in (("other", "1-1"), (joined["epoch"], "9-9"), (joined["epoch"], "1-1"), ("e" * 64, "0-0")):
        server.client().publish(
            f"{prefix}:chat:a",
            f'{{"specversion":"1.0","id":"1","source":"x","type":"x","data":{{}},"epoch":"{epoch}","offset":"{offset}"}}',
        )
    await asyncio.sleep(0.2)
    await chat(room="a").apublish({"text": "2"})

    heard = []
    while not heard or heard[-1] != {"text": "2"}:
        frame = await ada.next()
        heard.append(frame["event"]["data"] if frame["do"] == "event" else frame["do"])
    assert [each for each in heard if each in ({"text": "1"}, {"text": "2"})] == [{"text": "1"}, {"text": "2"}]


async def test_bogus_places_are_answered_truthfully(browser: Any, chat: Any) -> None:
    ada = await browser()
    for number in range(3):
        await chat(room="a").apublish({"text": str(number)})
    joined = await ada.join("chat:a")

    for epoch, offset in (
        (joined["epoch"], "99-1"),
        (joined["epoch"], "x"),
        (joined["epoch"], ""),
        ("", ""),
        ("x", "-"),
    ):
        again = await ada.join("chat:a", epoch=epoch, offset=offset, history=-5)
        assert (again["do"], again["recovered"], again["messages"]) == ("joined", False, [])
    whole = await ada.join("chat:a", epoch=joined["epoch"], offset="0-0", history=10**30)
    assert [event["data"]["text"] for event in whole["messages"]] == ["0", "1", "2"]
    assert (await ada.ask("ping"))["do"] == "pong"


async def test_nothing_hostile_is_logged_as_it_came(browser: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "django_redis_bus")
    ada = await browser()

    await ada.join("chat:a\r\nCRITICAL all is lost")
    await ada.ask("publish", topic="\x1b[31m", data={})

    assert all(record.getMessage().isprintable() for record in caplog.records)


async def test_a_client_that_goes_in_the_middle_of_a_join_leaves_nothing_behind(browser: Any, chat: Any) -> None:
    ada = await browser()
    for number in range(10):
        await ada.say("join", topic=f"chat:{number}")
    await ada.close()

    rooms = rooms_of(buses["default"])
    assert not any(room.members for number in range(10) if (room := rooms.get(f"chat:{number}")))
