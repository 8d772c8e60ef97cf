"""Rows that wait for others of their key: they leave in order, and are in nobody's way meanwhile."""

from __future__ import annotations

from itertools import pairwise

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
    outbox.rows.filter(lease__gt=0).update(lease=F("lease") - lease_until(LEASE_MS + WAIT_MS))
    wait_for(lambda: small.turn() > 0 and outbox.sent() == ids([*others, *rows]), timeout_s=5)


def test_behind_somebody_slow_rows_leave_soon_after_he_goes_on(
    database: str, small: Carrier, put: Put, outbox: Outbox
) -> None:
    # Given rows behind one that somebody has had in hand for longer than usual
    rows = put(3, keys=["a"])
    take(database, 1)
    let_wait(small, outbox, rows)
    # When it leaves
    leases.sent(database, [rows[0].id])
    # Then they do not wait for what would have been the end of its lease
    wait_for(lambda: small.turn() > 0 and outbox.sent() == ids(rows[1:]), timeout_s=2)


def test_the_longer_somebody_has_been_silent_the_less_often_rows_behind_it_are_looked_at(
    database: str, small: Carrier, put: Put, outbox: Outbox
) -> None:
    # Given rows behind somebody dead, and others that leave all the time
    rows = put(3, keys=["a"])
    take(database, 1)
    found = set()

    def look() -> bool:
        put(1, keys=["b"])
        small.turn()
        found.add(outbox.row(rows[1]).lease >> WHO_BITS)
        return len(found - {0}) == 3

    wait_for(look, timeout_s=5)

    # Then each pause is about as long as all of the time before it, and none is longer than the dead one's lease
    untils = sorted(found - {0})
    pauses = [later - earlier for earlier, later in pairwise(untils)]
    assert all(later > 1.5 * earlier for earlier, later in pairwise(pauses))
    assert untils[-1] <= (outbox.row(rows[0]).lease >> WHO_BITS) + WAIT_MS


def test_who_takes_over_what_was_in_the_way_has_as_much_time_as_anybody(
    database: str, small: Carrier, put: Put, outbox: Outbox
) -> None:
    # Given rows that have waited for somebody dead, whose lease is over
    rows = put(3, keys=["a"])
    take(database, 1)
    let_wait(small, outbox, rows)
    outbox.rows.update(lease=0)
    # When somebody else has what was before them in hand
    take(database, 1)
    small.turn()
    # Then they are looked at again and again
    assert [outbox.row(row).lease for row in rows[1:]] == [0, 0]


def test_what_others_hold_for_long_is_looked_at_now_and_then(
    small: Carrier, put: Put, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "STUCK_S", -1)
    put(1, keys=["a"], due_in_ms=60_000)
    row = put(1, keys=["a"], due_in_ms=-1)[0]
    before_ms = now_ms()

    small.turn()

    assert before_ms < outbox.row(row).lease >> WHO_BITS <= now_ms() + HELD_MS


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
