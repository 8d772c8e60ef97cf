"""Live listening under trouble: it heals, and each hole in what was heard has a gap where it is."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from django_redis_bus import buses
from django_redis_bus.core.subscribing import Key
from tests.faults.live_scene import Heard, Scene
from tests.listening.conftest import until
from tests.servers import Server

pytestmark = pytest.mark.slow

Servers = Callable[..., Server]


@pytest.fixture
async def scene_on(bus_settings: Callable[..., None], prefix: str) -> AsyncIterator[Callable[..., Any]]:
    made: list[Scene] = []

    async def make(server: Server) -> Scene:
        bus_settings(LOCATION=server.url)
        made.append(Scene(server, prefix))
        await made[-1].begin()
        return made[-1]

    yield make
    for scene in made:
        scene.publisher.stop()
        await scene.bus.aclose()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, "django_redis_bus.listener")
    return lambda: [r.getMessage().split(";")[0] for r in caplog.records if r.name == "django_redis_bus.listener"]


Scenes = Callable[..., Any]
Log = Callable[[], list[str]]
ONCE = ["Redis is unavailable", "Redis is back"]


async def test_nothing_is_lost_in_quiet_times(own_server: Servers, scene_on: Scenes, log: Log) -> None:
    scene = await scene_on(own_server(aof=False))

    await asyncio.sleep(3)
    await scene.healed()

    assert [heard.check() for heard in scene.all] == [0, 0]
    assert [heard.gaps for heard in scene.all] == [[], []]
    assert log() == []
    assert scene.bus.live.is_connected


async def test_the_server_is_restarted(own_server: Servers, scene_on: Scenes, log: Log) -> None:
    scene = await scene_on(own_server(aof=False))

    await asyncio.to_thread(scene.server.restart)
    await scene.healed()

    assert all(heard.check() > 0 for heard in scene.all)
    assert [[gap.reason for gap in heard.gaps] for heard in scene.all] == [["lost"], ["lost"]]
    assert scene.by_pattern.gaps[0].topics == ("t*", "other")
    assert scene.by_pattern.gaps[0].seconds > 0
    assert log() == ONCE
    assert scene.bus.live.counts["reconnects"] == 1
    assert scene.bus.live.counts["gaps"] == 2


async def test_the_server_is_away_for_a_while(own_server: Servers, scene_on: Scenes, log: Log) -> None:
    scene = await scene_on(own_server(aof=False))

    scene.server.kill()
    await asyncio.sleep(2.5)
    assert not scene.bus.live.is_connected
    await asyncio.to_thread(scene.server.start)
    await scene.healed()

    assert [len(heard.gaps) for heard in scene.all] == [1, 1]
    assert 2.4 < scene.by_name.gaps[0].seconds < 10
    assert all(heard.check() > 0 for heard in scene.all)
    assert log() == ONCE


async def test_its_connection_is_killed_again_and_again(own_server: Servers, scene_on: Scenes) -> None:
    scene = await scene_on(own_server(aof=False))
    client = scene.server.client()

    for _ in range(8):
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await asyncio.sleep(0.3)
    await scene.healed()

    for heard in scene.all:
        heard.check()
        assert 2 <= len(heard.gaps) <= 8


async def test_the_server_is_frozen(own_server: Servers, scene_on: Scenes, log: Log) -> None:
    scene = await scene_on(own_server(aof=False))

    frozen_at = time.monotonic()
    scene.server.freeze()
    await until(lambda: not scene.bus.live.is_connected, 20)
    noticed_s = time.monotonic() - frozen_at
    await asyncio.sleep(1)
    scene.server.thaw()
    await scene.healed()

    assert 2 < noticed_s < 6
    assert [[gap.reason for gap in heard.gaps] for heard in scene.all] == [["silent"], ["silent"]]
    for heard in scene.all:
        heard.check()
    assert log() == ONCE


async def test_a_short_freeze_is_no_loss(own_server: Servers, scene_on: Scenes, log: Log) -> None:
    scene = await scene_on(own_server(aof=False))

    scene.server.freeze()
    await asyncio.sleep(1.0)
    scene.server.thaw()
    await scene.healed()

    assert [heard.gaps for heard in scene.all] == [[], []]
    assert log() == []


async def test_an_event_loop_that_stood_still_has_lost_nothing(own_server: Servers, scene_on: Scenes, log: Log) -> None:
    # Given a function that blocks the loop for longer than silence is borne
    scene = await scene_on(own_server(aof=False))

    time.sleep(5)  # noqa: ASYNC251
    await scene.healed()

    assert [heard.check() for heard in scene.all] == [0, 0]
    assert [heard.gaps for heard in scene.all] == [[], []]
    assert log() == []


async def test_the_output_buffer_is_full(own_server: Servers, scene_on: Scenes) -> None:
    # Given a server with little patience, and a process that does not read for a moment
    scene = await scene_on(own_server(aof=False))
    client = scene.server.client()
    client.config_set("client-output-buffer-limit", "pubsub 200kb 0 0")
    client.config_set("client-query-buffer-limit", "1gb")
    scene.publisher.stop()
    last = scene.publisher.sent - 1
    await until(lambda: all(heard.last == last for heard in scene.all))
    killed = int(client.info("stats")["client_output_buffer_limit_disconnections"])

    with client.pipeline(transaction=False) as pipe:
        for n in range(last + 1, last + 100_001):
            pipe.publish(scene.publisher._key, str(n))
        pipe.execute()

    # Then what the server threw away is told
    await until(lambda: int(client.info("stats")["client_output_buffer_limit_disconnections"]) > killed)
    await until(lambda: all(heard.gaps for heard in scene.all))
    client.publish(scene.publisher._key, str(last + 100_001))
    await until(lambda: all(heard.last == last + 100_001 for heard in scene.all))
    assert all(heard.check() > 0 for heard in scene.all)


async def test_another_server_takes_its_place(own_server: Servers, scene_on: Scenes, log: Log) -> None:
    # Given a replica; When the master dies and the replica is promoted to its address
    scene = await scene_on(own_server(aof=False))
    other = own_server(aof=False)

    scene.server.kill()
    other.socket_path.rename(scene.server.socket_path)
    await scene.healed()

    assert all(heard.check() > 0 for heard in scene.all)
    assert [len(heard.gaps) for heard in scene.all] == [1, 1]
    assert log() == ONCE


@pytest.mark.parametrize("how", ["fewer", "more", "not the same"])
async def test_the_server_has_other_subscriptions_than_we(
    own_server: Servers, scene_on: Scenes, prefix: str, how: str
) -> None:
    # Given a subscription that went, or came, behind our back, or that only we believe in
    scene = await scene_on(own_server(aof=False))
    session = scene.bus.live._connection._session
    assert session is not None
    if how == "fewer":
        session.link.unsubscribe([Key(f"{prefix}:t".encode())])
    elif how == "more":
        session.link.subscribe([Key(b"unknown")])
    else:
        session._held.add(Key(b"believed"))

    # Then the next confirmation shows it
    await until(lambda: scene.bus.live.counts["reconnects"] == 1)
    await scene.healed()
    assert [[gap.reason for gap in heard.gaps] for heard in scene.all] == [["differs"], ["differs"]]
    for heard in scene.all:
        heard.check()


async def test_a_permission_is_taken_and_given_back(
    own_server: Servers, scene_on: Scenes, prefix: str, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    monkeypatch.setattr("django_redis_bus.runtime.listening.live.RETRY_REFUSED_S", 0.3)
    scene = await scene_on(own_server(aof=False))
    client = scene.server.client()

    # When one of the names is refused from now on (Redis closes connections that have it)
    client.execute_command("ACL", "SETUSER", "default", "resetchannels", f"&{prefix}:t*", "&{prefix}:other")
    await asyncio.sleep(0.5)

    # Then the others are heard again, and that one when it is allowed again
    now = scene.publisher.sent
    await until(lambda: scene.by_pattern.last > now, 20)
    assert not scene.bus.live.is_connected
    client.execute_command("ACL", "SETUSER", "default", "allchannels")
    await until(lambda: scene.bus.live.is_connected, 20)
    await scene.healed()
    assert "refused" in [gap.reason for heard in scene.all for gap in heard.gaps]
    assert any("Redis refuses" in line for line in log())
    for heard in scene.all:
        heard.check()


async def test_thousands_of_names_and_patterns_come_back(
    own_server: Servers, bus_settings: Callable[..., None], prefix: str
) -> None:
    server = own_server(aof=False)
    bus_settings(LOCATION=server.url)
    bus = buses["default"]
    ears = [Heard() for _ in range(2_000)]
    for n in range(0, 2_000, 500):
        await asyncio.gather(
            *(
                bus.live.attach(
                    channels=[f"room:{m}"],
                    patterns=[f"user:{m}:*"],
                    on_message=ears[m].message,
                    on_gap=ears[m].items.append,
                )
                for m in range(n, n + 500)
            )
        )

    server.client().execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await until(lambda: all(ear.gaps for ear in ears), 20)
    with server.client().pipeline(transaction=False) as pipe:
        for n in range(2_000):
            pipe.publish(f"{prefix}:room:{n}", str(n))
            pipe.publish(f"{prefix}:user:{n}:x", str(n))
        pipe.execute()

    await until(lambda: all(len(ear.items) == 3 for ear in ears), 20)
    assert [ear.items[1:] for ear in ears] == [[n, n] for n in range(2_000)]
    await bus.aclose()


async def test_it_does_not_spin_while_the_server_is_away(own_server: Servers, scene_on: Scenes, log: Log) -> None:
    scene = await scene_on(own_server(aof=False))
    opened = 0
    connect = scene.bus.live._connection._connect

    def counting() -> Any:
        nonlocal opened
        opened += 1
        return connect()

    scene.bus.live._connection._connect = counting
    scene.server.kill()
    await asyncio.sleep(3)

    assert 3 <= opened <= 12
    assert log() == ONCE[:1]
    await asyncio.to_thread(scene.server.start)
    await scene.healed()
