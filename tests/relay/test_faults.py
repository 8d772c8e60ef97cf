"""Redis restarts, loses data, freezes, throws subscribers out: pages get each message once, or are told of a loss."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from django_redis_bus.access import anyone
from django_redis_bus.bus import buses
from django_redis_bus.core.keys import ChannelKeys, stream_key
from django_redis_bus.relay.rooms import rooms_of

from .conftest import Browser, close_relay, eventually, person

pytestmark = pytest.mark.slow


@pytest.fixture
async def on(bus_settings: Any, channel: Any) -> AsyncIterator[Callable[..., Any]]:
    """Use a server of the test's own, with a channel: on(server) -> the channel."""
    used = []

    def use(server: Any, **options: Any) -> Any:
        bus_settings(LOCATION=server.url, **({"DEADLINE": 0.5} | options))
        used.append(server)
        return channel("chat:{room}", history=1000, can_join=anyone, can_publish=anyone)

    yield use
    if used:
        await close_relay()


async def texts(page: Browser, until: str) -> list[str]:
    """What comes, up to a message; a gap is "gap". Interruptions that were healed are left out."""
    found: list[str] = []
    while not found or found[-1] != until:
        frame = await page.next(20)
        if frame["do"] == "interrupted":  # nothing that is kept is missing
            continue
        found.append(frame["event"]["data"]["text"] if frame["do"] == "event" else frame["do"])
    return found


async def say(chat: Any, text: str) -> None:
    """Publish, as often as it takes: a server that has just started may not take the first."""
    async with asyncio.timeout(20):
        while True:
            try:
                await chat(room="a").apublish({"text": text}, id=text)
                return
            except Exception:
                await asyncio.sleep(0.05)


async def test_a_restart_with_data_on_disk_loses_nothing(on: Any, own_server: Any, browser: Any) -> None:
    server = own_server(args=("--appendfsync", "always"))
    chat = on(server)
    page = await browser()
    await page.join("chat:a")
    await say(chat, "1")

    await asyncio.to_thread(server.restart)
    await say(chat, "2")  # before the relay has found its way back, or after
    await say(chat, "3")

    assert await texts(page, "3") == ["1", "2", "3"]


async def test_a_restart_that_lost_data_is_told(on: Any, own_server: Any, browser: Any) -> None:
    server = own_server(aof=False)
    chat = on(server)
    page, away = await browser(), await browser()
    await page.join("chat:a")
    joined = await away.join("chat:a")
    await say(chat, "1")
    assert await texts(page, "1") == ["1"]
    await away.close()

    await asyncio.to_thread(server.restart)
    await page.until("gap")
    await say(chat, "2")

    assert await texts(page, "2") == ["2"]
    again = await (await browser()).join("chat:a", epoch=joined["epoch"], offset=joined["offset"], history=5)
    assert again["recovered"] is False
    assert [event["data"]["text"] for event in again["messages"]] == ["2"]


async def test_the_last_second_lost_ends_the_epoch_for_all(on: Any, own_server: Any, browser: Any) -> None:
    """What `appendfsync everysec` may do: the file is older than what was published."""
    server = own_server(args=("--appendfsync", "always"))
    chat = on(server)
    page, behind = await browser(), await browser()
    await page.join("chat:a")
    await behind.join("chat:a")
    await say(chat, "1")
    seen = (await behind.next())["event"]
    await behind.close()
    server.client().config_set("appendonly", "no")
    await say(chat, "2")  # never written down
    await texts(page, "2")

    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    gap, _ = await page.until("gap")
    await say(chat, "3")
    again = await (await browser()).join("chat:a", epoch=seen["epoch"], offset=seen["offset"])

    assert await texts(page, "3") == ["3"]
    assert gap["epoch"] != seen["epoch"]
    assert again["recovered"] is False  # it has not seen 2, and nobody can give it to it


async def test_a_subscriber_that_is_thrown_out_again_and_again_loses_nothing(
    on: Any, own_server: Any, browser: Any
) -> None:
    server = own_server()
    chat = on(server)
    pages = [await browser() for _ in range(3)]
    for page in pages:
        await page.join("chat:a")
    killer = server.client()

    for number in range(200):
        await say(chat, str(number))
        if number % 20 == 10:
            killer.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.sleep(0.01 * (number % 7))

    for page in pages:
        assert await texts(page, "199") == [str(number) for number in range(200)]


async def test_a_frozen_server_does_not_hold_a_join_for_long(on: Any, own_server: Any, browser: Any) -> None:
    server = own_server()
    chat = on(server)
    ada = await browser()
    await ada.join("chat:a")
    server.freeze()
    try:
        began = time.monotonic()
        refused = [await ada.join(f"chat:{number}") for number in range(10)]
        took_s = time.monotonic() - began
        said = await ada.ask("publish", topic="chat:a", data={"text": "x"})
        known = await ada.join("chat:a")  # served from memory
    finally:
        server.thaw()

    assert {answer["code"] for answer in refused} == {"unavailable"}
    assert said["code"] == "unknown"  # it stands in the server's socket, and is taken when it wakes up
    assert known["do"] == "joined"
    assert took_s < 8  # not ten times the patience
    for _ in range(100):
        if (await ada.join("chat:5"))["do"] == "joined":
            break
        await asyncio.sleep(0.2)
    await say(chat, "after")
    assert (await texts(ada, "after"))[-1] == "after"


async def test_topics_that_cannot_be_pushed_ask_the_page_to_come_later(
    on: Any, own_server: Any, channel: Any, bus_settings: Any
) -> None:
    server = own_server()
    on(server, RELAY={"push": ["user:{user.pk}"]})
    channel("user:{id}", parameters={"id": int}, history=5)
    server.stop()

    page = Browser(user=person(7, "ada"))
    await page.connect()

    assert await page.close_code() == 4503


async def test_rooms_catch_up_side_by_side_after_an_outage(on: Any, own_server: Any, browser: Any) -> None:
    server = own_server(args=("--appendfsync", "always"))
    chat = on(server, RELAY={"rooms": 100})
    page = await browser()
    for number in range(60):
        await page.join(f"chat:{number}")
    await asyncio.to_thread(server.restart)
    rooms = rooms_of(buses["default"])
    for number in range(60):
        await say(chat, "warm") if number == 0 else None
        await chat(room=str(number)).apublish({"text": str(number)})

    heard = set()
    while len(heard) < 60:
        frame = await page.next(20)
        if frame["do"] == "event":
            heard.add(frame["topic"])
    await eventually(lambda: not any(rooms.get(f"chat:{n}").feed.is_behind for n in range(60)))  # type: ignore[union-attr]
    assert sum(rooms.get(f"chat:{n}").feed.gaps for n in range(60)) == 0  # type: ignore[union-attr]


async def test_who_is_here_is_told_again_after_an_interruption(
    on: Any, own_server: Any, channel: Any, browser: Any
) -> None:
    server = own_server()
    on(server)
    channel("team:{room}", can_join=anyone, presence=True)
    ada, watch = await browser(user=person(7, "ada")), await browser()
    await ada.join("team:a")
    await watch.join("team:a")

    server.client().execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    while (frame := await watch.next(20)).get("event", {}).get("type") != "bus.presence.members":
        pass

    assert frame["event"]["data"] == {"members": [{"id": "7", "name": "ada"}]}
    assert frame["event"]["ephemeral"] is True


async def test_a_publish_that_never_left_is_told_from_one_that_may_have(on: Any, own_server: Any, browser: Any) -> None:
    server = own_server()
    on(server)
    ada = await browser()
    await ada.join("chat:a")
    server.stop()

    answers = [await ada.ask("publish", topic="chat:a", data={"text": "x"}) for _ in range(3)]

    assert answers[-1]["code"] == "unavailable"


async def test_what_is_not_kept_and_was_missed_is_told_as_an_interruption(
    on: Any, own_server: Any, browser: Any
) -> None:
    server = own_server()
    chat = on(server)
    ada = await browser()
    await ada.join("chat:a")

    server.client().execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    assert await ada.next(20) == {"do": "interrupted", "topic": "chat:a"}
    await say(chat, "next")
    assert await texts(ada, "next") == ["next"]


async def test_a_topic_that_redis_refuses_is_no_trouble_of_the_others(
    own_server: Any, bus_settings: Any, channel: Any, browser: Any, prefix: str
) -> None:
    # Given a user who may not subscribe to some channels, and a channel whose keys are another program's
    server = own_server()
    rights = ["~*", "+@all", "resetchannels", f"&{prefix}:chat:*"]
    server.client().execute_command("ACL", "SETUSER", "web", "on", ">pw", *rights)
    bus_settings(LOCATION=server.url, OPTIONS={"username": "web", "password": "pw"})
    channel("chat:{room}", history=10, can_join=anyone)
    channel("news:{about}", history=10, can_join=anyone)
    server.client().set(ChannelKeys(stream_key(prefix, "chat:broken")).live, "x")
    ada, eve = await browser(), await browser()

    # When somebody asks for them again and again
    answers = []
    for number in range(3):
        refused = [await eve.join("news:a"), await eve.join("chat:broken")]
        assert [each["code"] for each in refused] == ["unavailable", "unavailable"]
        answers.append(await ada.join(f"chat:{number}"))

    # Then the others open rooms as ever
    assert [each["do"] for each in answers] == ["joined"] * 3
