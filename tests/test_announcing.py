"""Processes that listen are seen by operators while they do, and no longer."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus import Bus, buses
from django_redis_bus.access import anyone
from django_redis_bus.announcing import FORGOTTEN_MS, Announcer
from django_redis_bus.core.keys import listeners_key
from django_redis_bus.relay.rooms import rooms_of
from tests.listening.conftest import until
from tests.servers import Server


@pytest.fixture
def bus(bus_settings: Callable[..., None]) -> Bus:
    return buses["default"]


@pytest.fixture
def told(server: Server, prefix: str) -> Callable[[], dict[str, Any]]:
    """Returns what Redis knows of listening processes."""
    client = server.client()
    return lambda: {name.decode(): json.loads(raw) for name, raw in client.hgetall(listeners_key(prefix)).items()}


async def test_it_tells_of_a_process_until_that_ends(bus: Bus, told: Callable[[], dict[str, Any]]) -> None:
    announcer = Announcer(bus, "listen_pattern", lambda: {"topics": [f"t{n}" for n in range(50)], "delivered": 7})
    task = asyncio.create_task(announcer.run())
    await until(told)

    [(name, record)] = told().items()
    assert name == f"{socket.gethostname()}:{os.getpid()}:listen_pattern"
    assert (record["what"], record["delivered"], len(record["topics"])) == ("listen_pattern", 7, 20)

    task.cancel()
    await asyncio.wait([task])
    assert told() == {}
    await bus.aclose()


async def test_what_fell_silent_long_ago_is_forgotten(
    bus: Bus, server: Server, prefix: str, told: Callable[[], dict[str, Any]]
) -> None:
    old = {"old": json.dumps({"beat": 1}), "odd": "no JSON", "odder": "7", "beatless": "{}"}
    server.client().hset(listeners_key(prefix), mapping=old)

    await Announcer(bus, "relay", lambda: {"topics": []})._announce()

    assert [record["what"] for record in told().values()] == ["relay"]
    assert 0 < server.client().pttl(listeners_key(prefix)) <= FORGOTTEN_MS
    await bus.aclose()


async def test_a_redis_that_is_away_does_not_end_it(bus_settings: Callable[..., None]) -> None:
    bus_settings(LOCATION="unix:///nowhere/s")
    task = asyncio.create_task(Announcer(buses["default"], "relay", dict).run())
    await asyncio.sleep(0.1)

    assert not task.done()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_relay_is_seen_while_it_has_rooms(
    bus: Bus, declare_channel: Callable[..., Any], told: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_redis_bus.announcing.BEAT_S", 0.02)
    channel = declare_channel("chat:{room}", history=5, can_join=anyone)
    rooms = rooms_of(bus)

    class Member:
        def push(self, item: Any) -> None: ...

    await rooms.join("chat:lobby", channel, Member())  # type: ignore[arg-type]
    await until(lambda: any(record["sockets"] == 1 for record in told().values()))

    [record] = told().values()
    assert (record["what"], record["topics"]) == ("relay", ["chat:lobby"])
    await rooms.aclose()
    assert told() == {}
    await bus.aclose()
