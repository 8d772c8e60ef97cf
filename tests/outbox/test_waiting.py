"""Rows that wait for others of their key: they leave in order, and are in nobody's way meanwhile."""

from __future__ import annotations

import pytest
from django.db.models import F

from django_redis_bus.outbox import leases, waiting
from django_redis_bus.outbox.carrying import LEASE_MS, Carrier
from django_redis_bus.outbox.claiming import WAIT_MS, WHO_BITS, claim, lease_until
from django_redis_bus.outbox.rows import SCHEDULED, Row, now_ms
from django_redis_bus.outbox.waiting import HELD_MS
from django_redis_bus.runtime.stopping import Stopping
from tests.faults.fleet import wait_for

from .conftest import Outbox, Put, ids

pytestmark = pytest.mark.databases(transaction=True)


@pytest.fixture
def small(database: str) -> Carrier:
    """A carrier of two rows at a time."""
    return Carrier(database, "default", batch=2, stopping=Stopping(5))


def take(database: str, count: int) -> int:
    """Have rows in another relay's hands; return the lease."""
    return claim(database, "default", limit=count, lease_ms=LEASE_MS, who=7).name


def let_wait(carrier: Carrier, outbox: Outbox, rows: list[Row]) -> None:
    """Let it find that these have waited for too long."""
    wait_for(lambda: carrier.turn() and all(outbox.row(row).lease for row in rows))


def test_what_waits_for_other_hands_is_given_back_at_once(
    database: str, small: Carrier, put: Put, outbox: Outbox
) -> None:
    rows = put(3, keys=["a"])
    lease = take(database, 1)

    waits_s = [small.turn() for _ in range(3)]

    assert all(0 < wait_s < 0.2 for wait_s in waits_s)
    assert [outbox.row(row).lease for row in rows] == [lease, 0, 0]
    leases.sent(database, [rows[0].id])
    assert small.turn() == 0
    assert outbox.sent() == ids(rows[1:])


def test_behind_somebody_dead_rows_step_aside_for_others(
    database: str, small: Carrier, put: Put, outbox: Outbox
) -> None:
    rows = put(5, keys=["a"])
    take(database, 1)
    others = put(3, keys=["b"])

    wait_for(lambda: small.turn() > 0 and outbox.sent() == ids(others), timeout_s=5)

    # When the dead one's lease is over all of them leave in their order.
    until_ms = {outbox.row(row).lease >> WHO_BITS for row in rows[1:]}
    assert until_ms == {(outbox.row(rows[0]).lease >> WHO_BITS) + WAIT_MS}
    outbox.rows.filter(lease__gt=0).update(lease=F("lease") - lease_until(LEASE_MS + WAIT_MS))
    wait_for(lambda: small.turn() > 0 and outbox.sent() == ids([*others, *rows]), timeout_s=5)


def test_what_others_hold_for_long_is_looked_at_now_and_then(
    small: Carrier, put: Put, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "STUCK_S", -1)
    put(1, keys=["a"], due_in_ms=400)
    row = put(1, keys=["a"], due_in_ms=-1)[0]

    small.turn()

    assert HELD_MS - 300 < (outbox.row(row).lease >> WHO_BITS) - now_ms() <= HELD_MS


def test_rows_behind_one_that_fails_wait_for_it_and_not_in_the_way(
    small: Carrier, put: Put, outbox: Outbox, bus_settings: object
) -> None:
    failing = put(1, keys=["a"], due_in_ms=60_000, attempts=3)[0]
    rows = put(4, keys=["a"])
    others = put(2, keys=["b"])

    wait_for(lambda: small.turn() > 1)

    assert outbox.sent() == ids(others)
    moment_ms = outbox.row(failing).moment_ms
    assert {outbox.row(row).moment_ms for row in rows} == {moment_ms + 1}
    outbox.rows.filter(state=0).update(moment_ms=F("moment_ms") - 60_001)
    wait_for(lambda: small.turn() > 1)
    assert outbox.sent() == ids([*others, failing, *rows])


def test_what_was_scheduled_is_before_what_was_written_later(
    database: str, small: Carrier, put: Put, outbox: Outbox
) -> None:
    scheduled = put(1, keys=["a"], state=SCHEDULED, due_in_ms=100)
    later = put(4, keys=["a"])
    outbox.rows.filter(state=SCHEDULED).update(moment_ms=now_ms())

    wait_for(lambda: small.turn() > 0 and len(outbox.sent()) == 5)

    assert outbox.sent() == ids([*scheduled, *later])
