"""Redis in trouble, and the database: rows wait for it, and nothing is counted against them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.db import OperationalError

from django_redis_bus.outbox import carrying, leases
from django_redis_bus.outbox.carrying import Carrier
from django_redis_bus.outbox.rows import now_ms
from django_redis_bus.runtime.stopping import Stopping
from tests.faults.fleet import wait_for
from tests.servers import Server

from .conftest import Outbox, Put, carry, ids

pytestmark = pytest.mark.databases("default", transaction=True)

everywhere = pytest.mark.databases(transaction=True)


def test_while_redis_is_away_nothing_is_counted_and_then_it_goes_on(
    carrier: Carrier,
    put: Put,
    outbox: Outbox,
    own: Callable[..., Server],
    prefix: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = own()
    rows = put(10, keys=["a"])
    server.kill()

    for _ in range(5):
        assert wait_for(carrier.turn) > 0
    assert {(r.state, r.attempts, r.lease) for r in outbox.rows.all()} == {(0, 0, 0)}

    server.start()
    wait_for(lambda: carrier.turn() and set(outbox.states()) == {"SENT"})
    entries = [fields[b"ce_id"].decode() for _, fields in server.client().xrange(f"{prefix}:events:order")]
    assert entries == ids(rows)
    assert caplog.text.count("events for bus 'default' wait") == 1
    assert caplog.text.count("bus 'default' takes events again") == 1


def test_what_a_frozen_redis_may_have_got_is_there_once(
    carrier: Carrier,
    put: Put,
    outbox: Outbox,
    own: Callable[..., Server],
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(carrying, "DEADLINE_S", 0.2)
    server = own()
    rows = put(10)
    carry(carrier)
    again = put(10)
    server.freeze()
    carrier.turn()
    server.thaw()

    wait_for(lambda: carrier.turn() and set(outbox.states()) == {"SENT"})

    entries = [fields[b"ce_id"].decode() for _, fields in server.client().xrange(f"{prefix}:events:order")]
    assert entries == ids([*rows, *again])


def read_only(server: Server) -> None:
    server.client().replicaof("127.0.0.1", 1)


def full(server: Server) -> None:
    server.client().config_set("maxmemory", 1)


@pytest.mark.parametrize("hurt", [read_only, full])
def test_a_redis_that_takes_no_writes_is_no_fault_of_the_rows(
    carrier: Carrier, put: Put, outbox: Outbox, own: Callable[..., Server], hurt: Callable[[Server], None]
) -> None:
    server = own()
    put(10)
    hurt(server)

    for _ in range(5):
        assert wait_for(carrier.turn) > 0
    assert {(r.state, r.attempts, r.lease, r.error) for r in outbox.rows.all()} == {(0, 0, 0, "")}

    server.client().config_set("maxmemory", 0)
    server.client().replicaof("NO", "ONE")
    wait_for(lambda: carrier.turn() and set(outbox.states()) == {"SENT"})


def test_a_stream_that_the_user_may_not_write_to_waits_and_others_do_not(
    carrier: Carrier, put: Put, outbox: Outbox, own: Callable[..., Server], bus_settings: Any, prefix: str
) -> None:
    server = own()
    server.client().acl_setuser(
        "shop", enabled=True, passwords=["+secret"], keys=[f"*{prefix}:events:order*"], commands=["+@all"]
    )
    bus_settings(LOCATION=server.url, OPTIONS={"username": "shop", "password": "secret"})
    refused = put(2, topic="events:refused")
    rows = put(2)

    carry(carrier)

    assert outbox.states() == ["PENDING", "PENDING", "SENT", "SENT"]
    found = outbox.row(refused[0])
    assert found.attempts == 0
    assert 20_000 < found.moment_ms - now_ms() <= 30_000
    assert [fields[b"ce_id"].decode() for _, fields in server.client().xrange(f"{prefix}:events:order")] == ids(rows)


def test_a_wrong_password_is_no_fault_of_the_rows(
    carrier: Carrier, put: Put, outbox: Outbox, own: Callable[..., Server], bus_settings: Any
) -> None:
    server = own()
    server.client().acl_setuser("shop", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all"])
    bus_settings(LOCATION=server.url, OPTIONS={"username": "shop", "password": "wrong"})
    put(3)

    for _ in range(3):
        assert wait_for(carrier.turn) > 0

    assert {(r.state, r.attempts, r.lease) for r in outbox.rows.all()} == {(0, 0, 0)}


# --- a full stream


def test_rows_for_a_full_stream_wait_without_being_counted(
    carrier: Carrier, put: Put, outbox: Outbox, bus_settings: Any, redis_client: redis.Redis, prefix: str
) -> None:
    bus_settings(STREAMS={"events:order": {"MAX_LAG": 1, "ON_FULL": "spill"}})
    key = f"{prefix}:events:order"
    redis_client.xadd(key, {"a": 1})
    redis_client.xgroup_create(key, "slow", "0")
    redis_client.hset(f"{{{key}}}:groups", "slow", now_ms())
    other = put(1, topic="events:other")
    put(1)

    carry(carrier)

    assert outbox.states() == ["SENT", "PENDING"]
    waiting = outbox.rows.get(state=0)
    assert waiting.attempts == 0
    assert 0 < waiting.moment_ms - now_ms() <= 1_000
    assert outbox.sent("events:other") == ids(other)


# --- the end, and the database


def test_asked_to_stop_it_sends_nothing_more_and_gives_back(database: str, put: Put, outbox: Outbox) -> None:
    stopping = Stopping(5)
    carrier = Carrier(database, "default", batch=500, stopping=stopping)
    put(3)
    stopping.request()

    carrier.turn()

    assert outbox.sent() == []
    assert {(r.state, r.lease) for r in outbox.rows.all()} == {(0, 0)}


def test_asked_to_stop_while_it_takes_rows_it_gives_them_back(
    database: str, put: Put, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = Stopping(5)
    carrier = Carrier(database, "default", batch=500, stopping=stopping)
    put(3)
    sort_out = carrying.sort_out
    monkeypatch.setattr(carrying, "sort_out", lambda *args, **options: stopping.request() or sort_out(*args, **options))

    carrier.turn()

    assert outbox.sent() == []
    assert {(r.state, r.lease) for r in outbox.rows.all()} == {(0, 0)}


def test_a_batch_that_was_long_in_coming_is_given_back(
    carrier: Carrier, put: Put, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(3)
    moments = iter([0.0, 0.0, carrying.LEASE_MS / 1000])
    monkeypatch.setattr(carrying, "monotonic", lambda: next(moments, 1e9))

    carrier.turn()

    assert outbox.sent() == []
    assert {r.lease for r in outbox.rows.all()} == {0}


def test_what_could_not_be_noted_is_noted_at_the_next_turn_and_not_sent_again(
    carrier: Carrier, put: Put, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = put(3)

    def gone(*args: Any) -> None:
        raise OperationalError("server closed the connection")

    with monkeypatch.context() as broken:
        broken.setattr(leases, "sent", gone)
        with pytest.raises(OperationalError):
            carry(carrier)
    assert outbox.states() == ["PENDING"] * 3

    carry(carrier)

    assert outbox.states() == ["SENT"] * 3
    assert outbox.sent() == ids(rows)
