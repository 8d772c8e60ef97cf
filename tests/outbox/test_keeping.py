"""What is kept, for how long, and what is done with it: pruning, repairs, orphans, the report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from django_redis_bus.models import OutboxEvent
from django_redis_bus.outbox import pruning
from django_redis_bus.outbox.orphans import GRACE_MS, OrphanWatch, unknown
from django_redis_bus.outbox.pruning import prune
from django_redis_bus.outbox.repairing import republish, retry_parked
from django_redis_bus.outbox.reporting import SHOWN, report
from django_redis_bus.outbox.rows import now_ms

from .conftest import Outbox, Put

SENT, PARKED, SCHEDULED = OutboxEvent.State.SENT, OutboxEvent.State.PARKED, OutboxEvent.State.SCHEDULED


# --- pruning


def test_sent_rows_go_when_they_are_old(database: str, put: Put, outbox: Outbox) -> None:
    put(3, state=SENT, due_in_ms=-61_000)
    put(2, state=SENT, due_in_ms=-50_000)
    for state in (0, SCHEDULED, PARKED):
        put(1, state=state, due_in_ms=-61_000)
    put(1, state=SENT, due_in_ms=-61_000, bus="eu")

    assert prune(database, "default", retention_s=60) == 3

    assert outbox.states() == ["SENT", "SENT", "PENDING", "SCHEDULED", "PARKED", "SENT"]
    assert prune(database, "default", retention_s=60) == 0


def test_they_go_in_small_batches(database: str, put: Put, outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "AT_ONCE", 4)
    rows = put(6, state=SENT, due_in_ms=-1)

    assert prune(database, "default", retention_s=0) == 4

    assert list(outbox.rows.values_list("id", flat=True)) == [row.id for row in rows[4:]]


# --- repairs


def test_what_was_sent_since_is_pending_again(database: str, put: Put, outbox: Outbox) -> None:
    put(1, state=SENT, due_in_ms=-60_000)
    rows = put(1_100, state=SENT, due_in_ms=-10_000, attempts=3, error="e", lease=2**60, token="t")
    put(1, state=PARKED)
    put(1, state=SENT, bus="eu")

    assert republish(database, ["default"], since_ms=now_ms() - 30_000) == 1_100

    assert outbox.states() == ["SENT", *["PENDING"] * 1_100, "PARKED", "SENT"]
    found = outbox.row(rows[-1])
    assert (found.attempts, found.error, found.lease) == (0, "", 0)
    assert found.moment_ms == found.created_ms
    assert found.token == "t"


def test_what_was_parked_is_tried_as_often_as_at_first(database: str, put: Put, outbox: Outbox) -> None:
    rows = put(2, state=PARKED, attempts=10, error="e")
    put(1, state=SENT)

    assert retry_parked(database, ["default", "eu"]) == 2

    assert outbox.states() == ["PENDING", "PENDING", "SENT"]
    assert outbox.row(rows[0]).attempts == 0


# --- orphans


def test_rows_of_a_bus_that_is_not_there_are_told_of_once_and_left_alone(
    database: str, put: Put, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    old = now_ms() - GRACE_MS - 1
    put(1, bus="eu", created_ms=old)
    put(1, bus="us", created_ms=old, state=SCHEDULED)
    put(1, bus="sent", created_ms=old, state=SENT)
    put(1, bus="young")
    put(1, created_ms=old)
    watch = OrphanWatch(database)

    watch.look()
    watch.look()

    assert [record.args[1] for record in caplog.records if record.args] == ["eu", "us"]
    assert outbox.states() == ["PENDING", "SCHEDULED", "SENT", "PENDING", "PENDING"]
    assert unknown(database) == ["eu", "sent", "us", "young"]


# --- the report


def test_the_report_counts_what_lies_there(database: str, put: Put) -> None:
    put(2)
    put(1, attempts=2, created_ms=now_ms() - 90_000)
    put(4, state=SCHEDULED, due_in_ms=60_000)
    put(5, state=SENT)
    at = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
    parked = put(1, state=PARKED, attempts=10, error="WRONGTYPE", moment_ms=int(at.timestamp() * 1000))[0]
    put(7, bus="eu")

    found = report(database, "default")

    assert (found.database, found.bus) == (database, "default")
    assert (found.pending, found.failing, found.scheduled, found.sent, found.parked) == (3, 1, 4, 5, 1)
    assert found.oldest_pending_s is not None
    assert timedelta(seconds=90) <= timedelta(seconds=found.oldest_pending_s) < timedelta(seconds=120)
    event = found.parked_events[0]
    assert (event.row, event.event_id, event.topic) == (parked.id, parked.message.event_id, "events:order")
    assert (event.attempts, event.at, event.error) == (10, "2026-11-22T08:00:00+00:00", "WRONGTYPE")


def test_the_report_of_an_empty_outbox(database: str, put: Put) -> None:
    found = report(database, "default")

    assert (found.pending, found.sent, found.parked, found.oldest_pending_s, found.parked_events) == (0, 0, 0, None, ())


def test_the_report_shows_the_first_of_many(database: str, put: Put) -> None:
    rows = put(SHOWN + 5, state=PARKED)

    found = report(database, "default")

    assert found.parked == SHOWN + 5
    assert [event.row for event in found.parked_events] == [row.id for row in rows[:SHOWN]]
