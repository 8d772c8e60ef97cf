"""Who is here: per user, across sockets and processes, with those who vanish."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.access import anyone
from django_redis_bus.bus import buses
from django_redis_bus.core.keys import ChannelKeys
from django_redis_bus.relay import presence as module
from django_redis_bus.relay.presence import Presence, presence_of
from django_redis_bus.relay.protocol import User

from .conftest import person

ADA, BOB = {"id": "7", "name": "ada"}, {"id": "8", "name": "bob"}


@pytest.fixture(autouse=True)
def team(channel: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(module, "GRACE_S", 0.2)
    return channel("team:{room}", can_join=anyone, presence=True)


async def told(page: Any, timeout_s: float = 5.0) -> tuple[str, Any]:
    """What the next presence event says."""
    frame = await page.next(timeout_s)
    assert frame["do"] == "event", frame
    assert frame["event"]["ephemeral"] is True
    return frame["event"]["type"].removeprefix("bus.presence."), frame["event"]["data"]["member"]


def named(members: Any) -> list[str]:
    return sorted(member["name"] for member in members)


async def test_who_comes_sees_who_is_here_and_the_others_are_told(browser: Any) -> None:
    ada = await browser(user=person(7, "ada"))
    first = await ada.join("team:a")
    bob = await browser(user=person(8, "bob"))
    second = await bob.join("team:a")

    assert named(first["members"]) == ["ada"]
    assert named(second["members"]) == ["ada", "bob"]
    assert await told(ada) == ("joined", ADA)
    assert await told(ada) == ("joined", BOB)


async def test_a_user_is_one_however_many_sockets(browser: Any) -> None:
    watch = await browser()
    await watch.join("team:a")
    one, two = await browser(user=person(7, "ada")), await browser(user=person(7, "ada"))
    await one.join("team:a")
    await two.join("team:a")
    assert await told(watch) == ("joined", ADA)

    await one.ask("leave", topic="team:a")
    assert await watch.is_silent(0.3)
    await two.ask("leave", topic="team:a")

    assert await told(watch) == ("left", ADA)


async def test_who_is_not_logged_in_sees_and_is_not_seen(browser: Any) -> None:
    ada, guest = await browser(user=person(7, "ada")), await browser()
    await ada.join("team:a")

    assert named((await guest.join("team:a"))["members"]) == ["ada"]
    await told(ada)
    assert await ada.is_silent()


async def test_a_page_that_is_loaded_anew_was_never_away(browser: Any) -> None:
    watch = await browser()
    await watch.join("team:a")
    ada = await browser(user=person(7, "ada"))
    await ada.join("team:a")
    await told(watch)

    await ada.close()
    again = await browser(user=person(7, "ada"))
    await again.join("team:a")

    assert await watch.is_silent(0.5)


async def test_a_socket_that_closes_is_missed(browser: Any) -> None:
    watch = await browser()
    await watch.join("team:a")
    ada = await browser(user=person(7, "ada"))
    await ada.join("team:a")
    await told(watch)

    await ada.close()

    assert await told(watch) == ("left", ADA)


@pytest.fixture
def process(bus_settings: Any) -> Callable[[], Presence]:
    """A factory of what another process would have: a Presence of its own, on the same Redis."""
    return lambda: Presence(buses["default"])


async def test_those_of_a_process_that_died_are_missed_once(
    browser: Any, bus_settings: Any, process: Callable[[], Presence]
) -> None:
    bus_settings(RELAY={"presence": 1})
    watch, watch_too = await browser(user=person(8, "bob")), await browser()
    await watch.join("team:a")
    await watch_too.join("team:a")
    dead = process()
    await dead.enter("team:a", "s1", User(id="7", name="ada"))
    await dead.enter("team:a", "s2", User(id="7", name="ada"))
    await dead.aclose()  # as kill -9 would: it tells nobody
    assert await told(watch) == ("joined", BOB)
    assert await told(watch) == ("joined", ADA)

    assert await told(watch) == ("left", ADA)
    assert await watch.is_silent(1.5)  # and bob, who lives, stays


async def test_sockets_in_two_processes_are_one_user(browser: Any, process: Callable[[], Presence]) -> None:
    watch = await browser()
    await watch.join("team:a")
    here, there = process(), process()
    await here.enter("team:a", "s1", User(id="7", name="ada"))
    await there.enter("team:a", "s2", User(id="7", name="ada"))
    here.leave("team:a", "s1", at_once=True)
    await asyncio.sleep(0.1)

    assert await told(watch) == ("joined", ADA)
    assert await watch.is_silent()
    there.leave("team:a", "s2", at_once=True)
    assert await told(watch) == ("left", ADA)
    await here.aclose()
    await there.aclose()


async def test_after_redis_lost_everything_those_who_live_are_here_again(
    browser: Any, bus_settings: Any, server: Any, prefix: str
) -> None:
    bus_settings(RELAY={"presence": 1})
    ada = await browser(user=person(7, "ada"))
    await ada.join("team:a")
    await told(ada)

    keys = ChannelKeys(f"{prefix}:team:a")
    server.client().delete(keys.members, keys.people)

    assert await told(ada) == ("joined", ADA)


async def test_half_of_the_books_lost_is_no_error(browser: Any, server: Any, prefix: str) -> None:
    ada = await browser(user=person(7, "ada"))
    await ada.join("team:a")
    await told(ada)

    server.client().delete(ChannelKeys(f"{prefix}:team:a").people)
    bob = await browser(user=person(8, "bob"))

    assert named((await bob.join("team:a"))["members"]) == ["bob"]
    assert (await ada.ask("leave", topic="team:a"))["do"] == "left"


async def test_nothing_stays_behind(browser: Any, server: Any, prefix: str) -> None:
    ada = await browser(user=person(7, "ada"))
    await ada.join("team:a")
    await ada.ask("leave", topic="team:a")
    await asyncio.sleep(0.1)

    assert not server.client().keys(f"*{prefix}:team:a*")


async def test_names_that_could_break_the_books(browser: Any) -> None:
    watch = await browser()
    await watch.join("team:a")
    odd = {"id": '1 2 \'"\\ "}', "name": '9 {"x": ü} </script>'}
    page = await browser(user=person(odd["id"], odd["name"]))  # type: ignore[arg-type]
    await page.join("team:a")
    assert await told(watch) == ("joined", odd)

    await page.ask("leave", topic="team:a")

    assert await told(watch) == ("left", odd)


async def test_without_presence_nobody_is_told(channel: Any, browser: Any) -> None:
    channel("quiet:{room}", can_join=anyone)
    ada, bob = await browser(user=person(7, "ada")), await browser(user=person(8, "bob"))

    assert "members" not in await ada.join("quiet:a")
    await bob.join("quiet:a")

    assert await ada.is_silent()


async def test_the_books_of_this_process_are_empty_when_all_have_gone(browser: Any) -> None:
    ada = await browser(user=person(7, "ada"))
    await ada.join("team:a")
    presence = presence_of(buses["default"])
    await ada.ask("leave", topic="team:a")
    await asyncio.sleep(0.1)

    assert (presence._here, presence._gone) == ({}, {})
