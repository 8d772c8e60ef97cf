"""How far the slowest live group is behind: unread and pending, counted where Redis cannot tell."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from django_redis_bus.core.exceptions import PublishError, Unavailable
from django_redis_bus.transport.clients import Clients
from django_redis_bus.transport.lag import COUNTED, Lag, alag, atrim_to, lag, trim_to
from tests.servers import Server
from tests.transport.appending import Connect, colours

PIN_MS = 60_000


class Behind:
    """A stream and its groups, and their lag by the sync or by the async way."""

    def __init__(self, client: redis.Redis, clients: Clients, prefix: str, colour: str) -> None:
        self.client = client
        self.key = f"{prefix}:s"
        self._groups = f"{{{self.key}}}:groups"
        self._clients = clients
        self._colour = colour

    def add(self, count: int, *, ago_ms: int = 0) -> list[bytes]:
        seconds, micros = self.client.time()
        ms = seconds * 1000 + micros // 1000 - ago_ms
        return [self.client.xadd(self.key, {"n": n}, id=f"{ms}-*" if ago_ms else "*") for n in range(count)]

    def group(self, name: str, *, start: Any = "0", alive_ms_ago: int | None = 0, read: int = 0) -> None:
        self.client.xgroup_create(self.key, name, start, mkstream=True)
        if alive_ms_ago is not None:
            self.client.hset(self._groups, name, int(time.time() * 1000) - alive_ms_ago)
        if read:
            self.client.xreadgroup(name, "c", {self.key: ">"}, count=read)

    async def lag(self, cap_events: int = 1_000) -> Lag:
        args: dict[str, Any] = {"cap_events": cap_events, "pin_ms": PIN_MS, "deadline_s": 5.0}
        if self._colour == "sync":
            return lag(self._clients, self.key, self._groups, **args)
        try:
            return await alag(self._clients, self.key, self._groups, **args)
        finally:
            await self._clients.aclose()

    async def trim_to(self, **limits: int) -> int:
        if self._colour == "sync":
            return trim_to(self._clients, self.key, deadline_s=5.0, **limits)
        try:
            return await atrim_to(self._clients, self.key, deadline_s=5.0, **limits)
        finally:
            await self._clients.aclose()


@pytest.fixture
def behind(any_server: Server, prefix: str, clients_of: Connect) -> Callable[[str], Behind]:
    return lambda colour: Behind(any_server.client(), clients_of(any_server), prefix, colour)


@colours
async def test_nobody_is_behind_in_a_stream_that_is_missing_or_has_no_group(
    behind: Callable[[str], Behind], colour: str
) -> None:
    stream = behind(colour)

    assert await stream.lag() == Lag(0, 0)
    stream.add(3)
    assert await stream.lag() == Lag(0, 0)


@colours
async def test_the_slowest_group_counts_with_what_is_unread_and_what_is_pending(
    behind: Callable[[str], Behind], colour: str
) -> None:
    # Given ten events of which one group has read four and acked one; another has read all and acked all but two
    stream = behind(colour)
    ids = stream.add(10)
    stream.group("slow", read=4)
    stream.client.xack(stream.key, "slow", ids[0])
    stream.group("quick", read=10)
    stream.client.xack(stream.key, "quick", *ids[:8])

    assert (await stream.lag()).events == 9


@colours
async def test_the_oldest_event_gives_the_age_whether_unread_or_pending(
    behind: Callable[[str], Behind], colour: str
) -> None:
    # Given an event of a minute ago that is pending, one of half a minute ago that is unread
    stream = behind(colour)
    stream.add(1, ago_ms=60_000)
    stream.group("g", read=1)
    stream.add(1, ago_ms=30_000)

    pending = await stream.lag()
    stream.client.xack(stream.key, "g", stream.client.xrange(stream.key)[0][0])
    unread = await stream.lag()
    stream.client.xreadgroup("g", "c", {stream.key: ">"}, noack=True)
    nothing = await stream.lag()

    assert pending.events == 2
    assert 60_000 <= pending.age_ms < 70_000
    assert unread.events == 1
    assert 30_000 <= unread.age_ms < 40_000
    assert nothing == Lag(0, 0)


@colours
async def test_a_group_that_nobody_consumes_for_long_does_not_count(
    behind: Callable[[str], Behind], colour: str
) -> None:
    # Given one that is long dead, and one of another program, of which nothing is noted
    stream = behind(colour)
    stream.add(10)
    stream.group("dead", alive_ms_ago=PIN_MS + 1_000)
    assert await stream.lag() == Lag(0, 0)

    stream.group("foreign", alive_ms_ago=None, read=7)
    noted = stream.client.hkeys(f"{{{stream.key}}}:groups")

    assert (await stream.lag()).events == 10
    assert noted == [b"dead"]  # looking changes nothing


@colours
async def test_what_redis_does_not_know_is_counted(behind: Callable[[str], Behind], colour: str) -> None:
    # Given groups whose lag is unknown: made at some id, or in front of deleted entries
    stream = behind(colour)
    ids = stream.add(450)
    stream.group("placed", start=ids[49], read=50)
    stream.client.xdel(stream.key, ids[-1])
    unknown = [g["lag"] for g in stream.client.xinfo_groups(stream.key)]

    assert unknown == [None]
    assert (await stream.lag()).events == 50 + 349
    assert (await stream.lag(cap_events=120)).events == 50 + 121
    assert (await stream.lag(cap_events=0)).events == 50 + 1


@colours
async def test_it_is_counted_up_to_a_bound(behind: Callable[[str], Behind], colour: str) -> None:
    stream = behind(colour)
    first = stream.add(1)[0]
    pipeline = stream.client.pipeline(transaction=False)
    for _ in range(COUNTED + 50):
        pipeline.xadd(stream.key, {"n": 1})
    pipeline.execute()
    stream.group("placed", start=first)
    stream.client.xdel(stream.key, stream.client.xrevrange(stream.key, count=1)[0][0])

    assert (await stream.lag(cap_events=1_000_000)).events == COUNTED


@colours
async def test_a_group_that_has_read_nothing_has_the_whole_stream_before_it(
    behind: Callable[[str], Behind], colour: str
) -> None:
    stream = behind(colour)
    ids = stream.add(30)
    stream.group("g")
    stream.client.xdel(stream.key, *ids[10:15])

    assert stream.client.xinfo_groups(stream.key)[0]["lag"] is None
    assert (await stream.lag(cap_events=3)).events == 25


@colours
async def test_ids_of_the_future_have_no_age(behind: Callable[[str], Behind], colour: str) -> None:
    stream = behind(colour)
    stream.client.xadd(stream.key, {"n": 1}, id="9999999999999-1")
    stream.group("g")

    assert await stream.lag() == Lag(1, 0)


@colours
async def test_a_key_of_another_type_is_an_error(behind: Callable[[str], Behind], colour: str) -> None:
    stream = behind(colour)
    stream.client.set(stream.key, "x")

    with pytest.raises(PublishError, match="WRONGTYPE"):
        await stream.lag()
    with pytest.raises(PublishError, match="WRONGTYPE"):
        await stream.trim_to(events=1)


def test_a_frozen_server_costs_one_deadline(
    own_server: Callable[..., Server], prefix: str, clients_of: Connect
) -> None:
    server = own_server(aof=False)
    server.freeze()

    started = time.monotonic()
    with pytest.raises(Unavailable):
        lag(clients_of(server), f"{prefix}:s", f"{prefix}:g", cap_events=1, pin_ms=1, deadline_s=0.25)
    with pytest.raises(Unavailable):
        trim_to(clients_of(server), f"{prefix}:s", events=1, deadline_s=0.25)

    assert time.monotonic() - started < 2.0


@colours
async def test_trimming_removes_the_oldest_whoever_needs_them(behind: Callable[[str], Behind], colour: str) -> None:
    # Given more than one XTRIM removes
    stream = behind(colour)
    pipeline = stream.client.pipeline(transaction=False)
    for n in range(25_000):
        pipeline.xadd(stream.key, {"n": n})
    pipeline.execute()
    stream.group("g")

    removed = await stream.trim_to(events=1_000)

    left = stream.client.xlen(stream.key)
    assert removed == 25_000 - left
    assert 1_000 <= left < 1_000 + 100  # whole nodes
    assert stream.client.xrevrange(stream.key, count=1)[0][1] == {b"n": b"24999"}
    assert await stream.trim_to(events=1_000) == 0


@colours
async def test_trimming_by_age(behind: Callable[[str], Behind], colour: str) -> None:
    stream = behind(colour)
    stream.add(300, ago_ms=60_000)
    stream.add(50)

    assert await stream.trim_to(age_ms=120_000) == 0
    assert await stream.trim_to(age_ms=30_000) == 300
    assert stream.client.xlen(stream.key) == 50


def test_a_full_server_can_be_trimmed(own_server: Callable[..., Server], prefix: str, clients_of: Connect) -> None:
    server = own_server(aof=False, maxmemory="8mb")
    client = server.client()
    try:
        while True:
            client.xadd(f"{prefix}:s", {"x": b"x" * 50_000})
    except redis.exceptions.OutOfMemoryError:
        pass

    assert trim_to(clients_of(server), f"{prefix}:s", events=1, deadline_s=5.0) > 0


@colours
async def test_what_an_operator_handed_to_a_group_again_is_as_old_as_that(
    behind: Callable[[str], Behind], colour: str
) -> None:
    # Given a group that has handled all, and gets again what is an hour old
    scene = behind(colour)
    old = scene.add(3, ago_ms=3_600_000)
    scene.group("g", read=3)
    scene.client.xack(scene.key, "g", *old)
    scene.client.xclaim(scene.key, "g", "c", 0, old, force=True, justid=True)
    seconds, micros = scene.client.time()
    handed = json.dumps({"again": seconds * 1000 + micros // 1000 - 5_000})
    failures = f"{{{scene.key}}}:g:failures"
    scene.client.hset(failures, mapping=dict.fromkeys(old, handed))

    assert 5_000 <= (await scene.lag()).age_ms < 60_000

    # But one among them that it has not handled yet is as old as it is
    scene.client.hset(failures, old[1], "no JSON")
    assert (await scene.lag()).age_ms >= 3_600_000


@colours
async def test_large_entries_are_counted_as_far_as_some_megabytes_go(
    behind: Callable[[str], Behind], colour: str
) -> None:
    # Given one every ten seconds, of half a megabyte each, and a group of which Redis cannot tell the lag
    scene = behind(colour)
    seconds, _ = scene.client.time()
    ids = [f"{(seconds - 1000 + 10 * n) * 1000}-0" for n in range(40)]
    for entry_id in ids:
        scene.client.xadd(scene.key, {"n": "x" * 500_000}, id=entry_id)
    scene.client.xdel(scene.key, ids[-2])
    scene.group("g", start=ids[4])

    assert 30 <= (await scene.lag()).events <= 39

    # But it does not know how densely the rest has come
    for n in range(40):
        scene.client.xadd(scene.key, {"n": n}, id=f"{ids[-1][:-2]}-{n + 1}")
    assert 30 <= (await scene.lag()).events <= 39
    assert (await scene.lag(cap_events=5)).events == 6
