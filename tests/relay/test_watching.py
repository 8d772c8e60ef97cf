"""Sockets are watched whatever one rule, one user or one right of Redis's does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from django_redis_bus import revoking
from django_redis_bus.access import anyone
from django_redis_bus.bus import buses
from django_redis_bus.relay import guard

from .conftest import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, bus_settings: Any) -> None:
    monkeypatch.setattr(guard, "TICK_S", 0.05)


async def test_a_rule_that_hangs_keeps_nobody_else_in(channel: Any, browser: Any, bus_settings: Any) -> None:
    # Given more sockets whose rule never ends than are looked at together, and one after them
    bus_settings(RELAY={"recheck": 3600})
    hangs, guests = asyncio.Event(), {"lobby"}

    async def slow_for_some(user: Any, room: str) -> bool:
        if room == "slow" and hangs.is_set():
            await asyncio.sleep(3600)
        return room == "slow" or room in guests

    channel("door:{room}", can_join=slow_for_some)
    slow = [await browser() for _ in range(guard.AT_ONCE + 1)]
    for each in slow:
        await each.join("door:slow")
    page = await browser()
    await page.join("door:lobby")

    await eventually(lambda: guard.guard_of(buses["default"])._attachment is not None)

    hangs.set()
    guests.clear()
    await sync_to_async(revoking.revoke)()

    assert (await page.next(timeout_s=3.5))["why"] == "forbidden"  # and no rule's 5 seconds later
    assert (await slow[0].next(timeout_s=8))["why"] == "forbidden"


async def test_a_socket_that_goes_while_a_rule_thinks_is_let_go_at_once(channel: Any, browser: Any) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def thinks(user: Any, room: str) -> bool:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()
        return True

    channel("door:{room}", can_join=thinks)
    page = await browser()
    await page.say("join", topic="door:a", id=1)
    await begun.wait()

    await page.socket.send_input({"type": "websocket.disconnect", "code": 1001})

    async with asyncio.timeout(2):
        await ended.wait()
    await eventually(lambda: not guard.guard_of(buses["default"])._due)


async def test_what_is_said_while_a_rule_thinks_is_done_after_it(channel: Any, browser: Any) -> None:
    async def thinks(user: Any, room: str) -> bool:
        await asyncio.sleep(0.8)
        return True

    channel("door:{room}", can_join=thinks)
    page = await browser()

    await page.say("join", topic="door:a", id=1)
    await page.say("ping", id=2)
    await page.say("ping", id=3)

    assert [(await page.next())["id"] for _ in range(3)] == [1, 2, 3]


async def test_a_control_channel_that_is_refused_is_told_once_and_asked_for_again(
    own_server: Any,
    bus_settings: Any,
    prefix: str,
    channel: Any,
    browser: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "REFUSED_S", 0.3)
    server = own_server(aof=False)
    rights = ["resetchannels", f"&{prefix}:open:*", "+@all"]
    server.client().execute_command("ACL", "SETUSER", "web", "on", ">pw", "~*", *rights)
    bus_settings(LOCATION=server.url, OPTIONS={"username": "web", "password": "pw"}, RELAY={"recheck": 3600})
    channel("open:{room}", can_join=anyone)

    page = await browser()
    assert (await page.join("open:a"))["do"] == "joined"
    await eventually(lambda: "refuses" in caplog.text)
    await asyncio.sleep(0.9)  # nearly twenty ticks

    [said] = [record.getMessage() for record in caplog.records if "refuses" in record.getMessage()]
    assert f"&{prefix}:{revoking.CONTROL}" in said
    assert 2 <= sum(int(entry["count"]) for entry in server.client().acl_log()) <= 5

    server.client().execute_command("ACL", "SETUSER", "web", f"&{prefix}:{revoking.CONTROL}")
    await eventually(lambda: guard.guard_of(buses["default"])._attachment is not None)
