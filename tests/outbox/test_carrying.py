"""Batches on their way to Redis: what leaves, what waits, what is counted, and what is given up on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import redis
from django.db import OperationalError

from django_redis_bus.models import OutboxEvent
from django_redis_bus.outbox import carrying, leases
from django_redis_bus.outbox.carrying import Carrier
from django_redis_bus.outbox.failing import MAX_ATTEMPTS
from django_redis_bus.outbox.rows import now_ms
from django_redis_bus.runtime.stopping import Stopping
from django_redis_bus.sending import Sender
from tests.faults.fleet import wait_for
from tests.servers import Server

from .conftest import Outbox, Put, ids

pytestmark = pytest.mark.databases("default", transaction=True)

everywhere = pytest.mark.databases(transaction=True)


def carry(carrier: Carrier) -> float:
    """Carry until it wants to wait; return for how long."""
    while not (wait_s := carrier.turn()):
        pass
    return wait_s


@pytest.fixture
def own(own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str) -> Callable[..., Server]:
    """A factory of a server of this test's own that the bus uses."""

    def make(*, settings: dict[str, Any] | None = None, **options: Any) -> Server:
        server = own_server(**options)
        bus_settings(LOCATION=server.url, CIRCUIT={"failures": 2, "cooldown": 0.05}, **(settings or {}))
        return server

    return make


# --- what leaves


@everywhere
def test_rows_become_entries_and_are_noted_as_sent(
    carrier: Carrier, put: Put, outbox: Outbox, redis_client: redis.Redis, prefix: str
) -> None:
    rows = put(120, keys=["a", "b", None])
    other = put(2, topic="events:other")

    assert carry(carrier) > 1

    assert outbox.sent() == ids(rows)
    assert outbox.sent("events:other") == ids(other)
    assert set(outbox.states()) == {"SENT"}
    assert carrier.counts == {"sent": 122}
    entry = redis_client.xrange(f"{prefix}:events:order")[0][1]
    flat = [part for pair in entry.items() for part in pair]
    assert flat == [part if isinstance(part, bytes) else part.encode() for part in rows[0].message.fields]


@everywhere
def test_the_order_of_keys_is_that_of_the_rows(carrier: Carrier, put: Put, outbox: Outbox) -> None:
    rows = put(60, keys=["a", "b"])
    # Given back by others, so those that come first are due last.
    for at, row in enumerate(rows):
        outbox.rows.filter(id=row.id).update(moment_ms=now_ms() - at * 100)

    wait_for(lambda: carrier.turn() > 1 and set(outbox.states()) == {"SENT"})

    sent = outbox.sent()
    for key in "ab":
        mine = [row.message.event_id for row in rows if row.message.key == key]
        assert [event_id for event_id in sent if event_id in mine] == mine


def test_what_the_stream_has_had_is_not_added_again(carrier: Carrier, put: Put, outbox: Outbox) -> None:
    rows = put(3)
    carry(carrier)
    outbox.rows.update(state=0)

    carry(carrier)

    assert outbox.sent() == ids(rows)
    assert set(outbox.states()) == {"SENT"}


def test_large_events_go_in_smaller_batches(
    carrier: Carrier, put: Put, bus_settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "BATCH_BYTES", 1_000)
    sizes = []
    attempt = Sender.attempt
    monkeypatch.setattr(Sender, "attempt", lambda self, m, d=None: sizes.append(len(m)) or attempt(self, m, d))
    put(60)

    carry(carrier)

    assert set(sizes) <= {1, 2, 3, 4, 5, 6}
    assert sum(sizes) == 60


# --- one row nobody can send


@everywhere
def test_a_row_that_cannot_be_read_is_parked_and_holds_nobody_up(
    carrier: Carrier, put: Put, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    rows = put(5, keys=["a"])
    outbox.rows.filter(id=rows[1].id).update(fields=b"\xc1 no msgpack")

    carry(carrier)

    assert outbox.sent() == ids([rows[0], *rows[2:]])
    broken = outbox.row(rows[1])
    assert broken.state == OutboxEvent.State.PARKED
    assert "cannot be read" in broken.error
    assert (
        f"1 event(s) for bus 'default' are parked (rows {rows[1].id}): the row's fields cannot be read" in caplog.text
    )


def test_what_redis_refuses_is_tried_again_later_and_parked_in_the_end(
    carrier: Carrier,
    put: Put,
    outbox: Outbox,
    redis_client: redis.Redis,
    prefix: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    redis_client.set(f"{prefix}:events:wrong", "no stream")
    wrong = put(2, topic="events:wrong")
    right = put(3)

    carry(carrier)

    assert outbox.sent() == ids(right)
    first = outbox.row(wrong[0])
    assert (first.state, first.attempts) == (OutboxEvent.State.PENDING, 1)
    assert "WRONGTYPE" in first.error
    assert 700 < first.moment_ms - now_ms() <= 1_200
    assert "2 event(s) for bus 'default' could not be published" in caplog.text

    outbox.rows.filter(state=0).update(moment_ms=now_ms(), attempts=5)
    carry(carrier)
    assert 25_000 < outbox.row(wrong[0]).moment_ms - now_ms() < 39_000

    outbox.rows.filter(state=0).update(moment_ms=now_ms(), attempts=MAX_ATTEMPTS - 1)
    carry(carrier)

    assert outbox.states() == ["PARKED", "PARKED", "SENT", "SENT", "SENT"]
    assert outbox.row(wrong[0]).attempts == MAX_ATTEMPTS
    assert carrier.counts == {"sent": 3, "failed": 4, "parked": 2}


def test_a_row_that_drops_the_connection_is_found_out_and_the_others_pass_it(
    carrier: Carrier, put: Put, outbox: Outbox, own: Callable[..., Server], prefix: str
) -> None:
    server = own(settings={"MAX_EVENT_BYTES": 10_000_000})
    server.client().config_set("proto-max-bulk-len", 1_048_576)
    rows = put(20)
    poison = outbox.rows.get(id=rows[12].id)
    poison.fields = msgspec.msgpack.encode([*rows[12].message.fields[:-1], b"x" * 2_000_000])
    poison.save()

    wait_for(lambda: carrier.turn() and outbox.states().count("SENT") == 19)

    entries = [fields[b"ce_id"].decode() for _, fields in server.client().xrange(f"{prefix}:events:order")]
    assert sorted(entries) == sorted(ids([*rows[:12], *rows[13:]]))
    found = outbox.row(rows[12])
    assert (found.state, found.attempts) == (OutboxEvent.State.PENDING, 1)
    assert carrier.counts == {"sent": 19, "failed": 1}


def test_a_row_that_breaks_the_sending_itself_is_found_out(
    carrier: Carrier, put: Put, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = put(20)
    attempt = Sender.attempt

    def hostile(self: Sender, messages: Any, deadline_s: float | None = None) -> Any:
        if any(message.event_id == rows[7].message.event_id for message in messages):
            raise RecursionError("too deep")
        return attempt(self, messages, deadline_s)

    monkeypatch.setattr(Sender, "attempt", hostile)

    wait_for(lambda: carrier.turn() and outbox.states().count("SENT") == 19)

    assert outbox.row(rows[7]).error == "RecursionError: too deep"
    assert outbox.row(rows[7]).attempts == 1


# --- Redis in trouble: nothing is counted


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
