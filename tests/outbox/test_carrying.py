"""Batches on their way to Redis: what leaves, what waits, what is counted, and what is given up on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import redis

from django_redis_bus.models import OutboxEvent
from django_redis_bus.outbox import carrying
from django_redis_bus.outbox.carrying import Carrier
from django_redis_bus.outbox.failing import MAX_ATTEMPTS
from django_redis_bus.outbox.rows import now_ms
from django_redis_bus.sending import Sender
from tests.faults.fleet import wait_for
from tests.servers import Server

from .conftest import Outbox, Put, carry, ids

pytestmark = pytest.mark.databases("default", transaction=True)

everywhere = pytest.mark.databases(transaction=True)


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
