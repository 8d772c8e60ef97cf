"""Topics that take nothing, and what else must not hold up a relay: broken rows, large rows, clocks."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from time import sleep
from typing import Any

import msgspec
import pytest
import redis

from django_redis_bus import buses
from django_redis_bus.core.exceptions import UnreadableEntry
from django_redis_bus.outbox import aside
from django_redis_bus.outbox.aside import AWAY_MS, Aside
from django_redis_bus.outbox.carrying import Carrier
from django_redis_bus.outbox.claiming import claim, lease_until
from django_redis_bus.outbox.relay import Relay, RelayOptions
from django_redis_bus.outbox.rows import decode_fields, now_ms
from django_redis_bus.outbox.schedule import FAR_MS, due_in_ms
from django_redis_bus.runtime.stopping import Stopping
from django_redis_bus.transport.probing import lets_in
from tests.faults.fleet import wait_for
from tests.servers import Server

from .conftest import Outbox, Put, ids

everywhere = pytest.mark.databases(transaction=True)
pytestmark = pytest.mark.databases("default", transaction=True)

DEEP = b"\x91" + b"\x91" * 100_000 + b"\xc0"


def moments(outbox: Outbox) -> list[int]:
    """Return in how many seconds the rows are due, by their ids."""
    return [round((row.moment_ms - now_ms()) / 1000) for row in outbox.rows.order_by("id")]


# --- topics that take nothing


@everywhere
def test_what_is_due_of_a_closed_topic_steps_aside_and_comes_back_when_it_opens(
    database: str, put: Put, outbox: Outbox
) -> None:
    put(2)
    put(1, topic="events:other")
    put(1, lease=lease_until(now_ms() + 5_000))
    put(1, due_in_ms=2_000)
    put(1, bus="eu")
    away = Aside(database, "default")

    away.close(["events:order"], more=True)
    assert moments(outbox) == [60, 60, 0, 0, 2, 0]
    away.come_back()
    assert moments(outbox) == [60, 60, 0, 0, 2, 0]

    away.open({"events:order", "events:other"})
    away.come_back()
    assert moments(outbox) == [0, 0, 0, 0, 2, 0]
    assert not away


def test_they_come_back_some_at_a_time(
    database: str, put: Put, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "AT_ONCE", 2)
    put(3)
    away = Aside(database, "default")
    away.close(["events:order"], more=True)
    assert moments(outbox) == [60, 60, 60]

    away.open({"events:order"})
    away.come_back()

    assert moments(outbox) == [0, 0, 60]
    assert away


def test_one_full_stream_does_not_keep_others_waiting_and_goes_on_when_there_is_room(
    carrier: Carrier, put: Put, outbox: Outbox, bus_settings: Any, redis_client: redis.Redis, prefix: str
) -> None:
    bus_settings(STREAMS={"events:order": {"MAX_LAG": 1, "ON_FULL": "spill"}})
    key = f"{prefix}:events:order"
    redis_client.xadd(key, {"a": 1})
    redis_client.xgroup_create(key, "slow", "0")
    redis_client.hset(f"{{{key}}}:groups", "slow", now_ms())
    full = put(300)
    others = put(1, topic="events:other")

    for _ in range(3):
        carrier.turn()

    assert outbox.sent("events:other") == ids(others)
    assert set(moments(outbox)[60:300]) == {AWAY_MS // 1000}

    redis_client.xgroup_destroy(key, "slow")
    wait_for(lambda: carrier.turn() and redis_client.xlen(key) == 1 + len(full))


# --- a bus that does not answer


def test_a_bus_that_hangs_delays_no_other(
    put: Put, outbox: Outbox, database: str, bus_settings: Any, own_server: Callable[..., Server]
) -> None:
    server = own_server()
    bus_settings(others={"eu": {"LOCATION": server.url}})
    put(1, bus="eu")
    stopping = Stopping(5)
    relay = Thread(target=Relay([database], RelayOptions(), stopping).run)
    server.freeze()
    try:
        relay.start()
        sleep(0.5)
        rows = put(1)
        wait_for(lambda: outbox.sent() == ids(rows), timeout_s=2)
    finally:
        stopping.request()
        server.thaw()
        relay.join(10)


# --- users


@pytest.mark.parametrize(("password", "known"), [("secret", True), ("wrong", False)])
def test_a_user_is_known_though_almost_everything_is_forbidden(
    own_server: Callable[..., Server], bus_settings: Any, password: str, known: bool
) -> None:
    server = own_server()
    server.client().acl_setuser("shop", enabled=True, passwords=["+secret"], commands=["-@all", "+xadd", "+client"])
    bus_settings(LOCATION=server.url, OPTIONS={"username": "shop", "password": password})

    assert lets_in(buses["default"].clients, deadline_s=2) is known


# --- rows


@pytest.mark.parametrize(
    "data",
    [DEEP, b"\x92\xa2ab\xa2\xff\xff", "text", None, b"\xc1", msgspec.msgpack.encode(["a"])],
    ids=["deep", "bad utf-8", "text", "nothing", "no msgpack", "no pairs"],
)
def test_whatever_cannot_be_read_is_called_so(data: Any) -> None:
    with pytest.raises(UnreadableEntry, match="the row's fields"):
        decode_fields(data)


@everywhere
def test_no_more_is_taken_than_fits_into_memory(database: str, put: Put, outbox: Outbox) -> None:
    rows = put(5)
    large, small = b"l" * 20_000, b"s" * 1_000
    outbox.rows.filter(id__in=[row.id for row in rows[1:4]]).update(fields=large)
    outbox.rows.filter(id__in=[rows[0].id, rows[4].id]).update(fields=small)

    def take(most_bytes: int) -> list[bytes]:
        found = claim(database, "default", limit=10, lease_ms=10_000, who=1, most_bytes=most_bytes).rows
        return [bytes(row.fields) for row in found]

    assert take(45_000) == [small, large, large]
    assert take(10) == [large]
    assert take(10) == [small]
    assert take(10) == []


@everywhere
def test_a_row_of_a_host_whose_clock_was_ahead_is_due(database: str, put: Put, outbox: Outbox) -> None:
    put(1, due_in_ms=FAR_MS - 5_000)
    assert 0 < (due_in_ms(database, "default") or 0) < FAR_MS
    put(1, due_in_ms=3_600_000)
    put(1, due_in_ms=3_600_000, state=1)
    before = [row.moment_ms for row in outbox.rows.order_by("id")]

    assert due_in_ms(database, "default") == 0

    after = [row.moment_ms for row in outbox.rows.order_by("id")]
    assert (after[0], after[2]) == (before[0], before[2])
    assert before[0] < before[1]
    assert after[1] <= now_ms()
