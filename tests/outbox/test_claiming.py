"""Taking rows in hand: each is with one relay, until its lease is over, and keys keep their order."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections, transaction
from django.db.models import F

from django_redis_bus.outbox import leases
from django_redis_bus.outbox.claiming import Claimed, claim, lease_until
from django_redis_bus.outbox.rows import SCHEDULED, Row, now_ms
from django_redis_bus.outbox.schedule import due_in_ms

from .conftest import Outbox, Put

pytestmark = pytest.mark.databases(transaction=True)

LEASE_MS = 10_000


def take(database: str, *, limit: int = 500, who: int = 1, bus: str = "default") -> tuple[int, list[Claimed]]:
    return claim(database, bus, limit=limit, lease_ms=LEASE_MS, who=who)


def let_leases_end(outbox: Outbox) -> None:
    outbox.rows.update(lease=F("lease") - lease_until(LEASE_MS + 1))


def numbers(rows: list[Claimed] | list[Row]) -> list[int]:
    return [row.id for row in rows]


# --- leases


def test_a_row_comes_as_it_was_written(database: str, put: Put) -> None:
    row = put(1, keys=["7"], token="t", attempts=2)[0]

    taken = take(database)[1][0]

    assert taken[:4] == (row.id, row.order_key, "events:order", "tests.events.order")
    assert taken[5:] == ("t", 2)
    assert isinstance(taken.order_key, int)


def test_what_is_in_hand_is_nobody_elses(database: str, put: Put) -> None:
    rows = put(5)

    first, second, third = take(database, limit=3, who=1), take(database, limit=3, who=2), take(database, who=3)

    assert numbers(first[1]) == numbers(rows[:3])
    assert numbers(second[1]) == numbers(rows[3:])
    assert third[1] == []


def test_a_lease_that_is_over_leaves_the_row_to_others(database: str, put: Put, outbox: Outbox) -> None:
    rows = put(2)
    first = take(database, who=1)
    let_leases_end(outbox)

    second = take(database, who=2)

    assert numbers(second[1]) == numbers(rows)
    assert second[0] > first[0] - lease_until(LEASE_MS + 1)


def test_leases_of_the_same_moment_differ(database: str, put: Put) -> None:
    put(2)

    assert take(database, limit=1, who=1)[0] & 0xFFFFF == 1
    assert take(database, limit=1, who=2)[0] & 0xFFFFF == 2


def test_those_come_first_that_are_due_for_longest(database: str, put: Put) -> None:
    late, early, not_yet = put(1, due_in_ms=-10), put(1, due_in_ms=-1000), put(1, due_in_ms=60_000)

    assert numbers(take(database, limit=1)[1]) == numbers(early)
    assert numbers(take(database)[1]) == numbers(late)
    assert not_yet


@pytest.mark.parametrize("state", [1, 2, 3])
def test_only_what_is_pending_is_taken(database: str, put: Put, state: int) -> None:
    put(1, state=state)

    assert take(database)[1] == []


def test_only_what_is_for_the_bus_is_taken(database: str, put: Put) -> None:
    put(1, bus="eu")

    assert take(database)[1] == []
    assert len(take(database, bus="eu")[1]) == 1


@pytest.mark.databases("postgresql", "mariadb", transaction=True)  # SQLite locks no rows
def test_what_another_transaction_has_locked_is_passed_over(database: str, put: Put) -> None:
    rows = put(3)

    def taken() -> list[int]:
        try:
            return numbers(take(database)[1])
        finally:
            connections[database].close()

    with transaction.atomic(using=database), ThreadPoolExecutor(1) as pool:
        with connections[database].cursor() as cursor:
            cursor.execute(f"SELECT id FROM django_redis_bus_outboxevent WHERE id = {rows[1].id} FOR UPDATE")
        assert pool.submit(taken).result(10) == [rows[0].id, rows[2].id]


def test_many_at_once_never_take_the_same(database: str, put: Put) -> None:
    rows = put(200)

    def all_taken(who: int) -> list[int]:
        found = []
        try:
            while taken := take(database, limit=7, who=who)[1]:
                found += numbers(taken)
                leases.sent(database, numbers(taken))
        finally:
            connections[database].close()
        return found

    with ThreadPoolExecutor(4) as pool:
        found = [number for each in pool.map(all_taken, range(4)) for number in each]

    assert sorted(found) == numbers(rows)


# --- what becomes of rows in hand


def test_who_has_lost_a_row_changes_nothing_of_it(database: str, put: Put, outbox: Outbox) -> None:
    row = put(1)[0]
    lost = take(database, who=1)[0]
    let_leases_end(outbox)
    held = take(database, who=2)[0]
    before = outbox.rows.values().get()

    leases.free(database, lost, [row.id])
    leases.postpone(database, lost, [row.id], to_ms=1)
    leases.fail(database, lost, [row.id], error="e", to_ms=1)
    leases.park(database, lost, [row.id], error="e")

    assert outbox.rows.values().get() == before
    leases.park(database, held, [row.id], error="e")
    assert outbox.states() == ["PARKED"]


def test_what_was_published_is_noted_by_whoever_did_it(database: str, put: Put, outbox: Outbox) -> None:
    row = put(1, error="before")[0]
    take(database, who=1)
    let_leases_end(outbox)
    take(database, who=2)
    before = now_ms()

    leases.sent(database, [row.id])

    found = outbox.row(row)
    assert (found.state, found.error) == (2, "")
    assert found.moment_ms >= before


def test_what_is_given_back_can_be_taken_at_once_in_its_old_place(database: str, put: Put, outbox: Outbox) -> None:
    rows = put(2)
    held = take(database, limit=1)[0]

    leases.free(database, held, [rows[0].id], token="batch")

    assert numbers(take(database, limit=1)[1]) == [rows[0].id]
    assert outbox.row(rows[0]).token == "batch"


def test_what_is_held_keeps_its_place(database: str, put: Put, outbox: Outbox) -> None:
    rows = put(2)
    held = take(database)[0]
    moment_ms = outbox.row(rows[0]).moment_ms

    leases.free(database, held, [rows[1].id])
    leases.hold(database, held, [rows[0].id], until_ms=now_ms() + LEASE_MS)

    assert outbox.row(rows[0]).moment_ms == moment_ms
    assert numbers(take(database)[1]) == [rows[1].id]
    leases.free(database, take(database)[0], [rows[1].id])
    let_leases_end(outbox)
    assert numbers(take(database)[1]) == numbers(rows)


def test_what_failed_is_counted_and_waits(database: str, put: Put, outbox: Outbox) -> None:
    row = put(1, token="t")[0]
    held = take(database)[0]

    leases.fail(database, held, [row.id], error="x" * 5_000, to_ms=now_ms() + 60_000)

    found = outbox.row(row)
    assert (found.attempts, found.token, found.error) == (1, "", "x" * 2_000)
    assert take(database)[1] == []


def test_many_rows_take_a_statement_per_500(
    database: str, put: Put, django_assert_num_queries: Callable[..., Any]
) -> None:
    rows = put(1_001)
    with django_assert_num_queries(3, using=database):
        leases.sent(database, numbers(rows))


# --- when there is something to do


def test_nothing_is_due_in_an_empty_outbox(database: str, put: Put) -> None:
    put(2, state=2)
    put(1, bus="eu")

    assert due_in_ms(database, "default") is None


def test_the_next_moment_is_known(database: str, put: Put) -> None:
    put(1, due_in_ms=50_000)
    assert 40_000 < (due_in_ms(database, "default") or 0) <= 50_000

    put(1, due_in_ms=20_000, state=SCHEDULED)
    assert 10_000 < (due_in_ms(database, "default") or 0) <= 20_000

    put(1)
    assert due_in_ms(database, "default") == 0


def test_what_is_in_hand_is_not_due(database: str, put: Put) -> None:
    put(1)
    take(database)

    assert due_in_ms(database, "default") is None


def test_scheduled_rows_become_pending_when_their_time_has_come(database: str, put: Put, outbox: Outbox) -> None:
    put(2, due_in_ms=-1, state=SCHEDULED)
    put(1, due_in_ms=60_000, state=SCHEDULED)
    assert take(database)[1] == []

    assert due_in_ms(database, "default") == 0

    assert outbox.states() == ["PENDING", "PENDING", "SCHEDULED"]
    # Their place is that of when they were written: before all that waits for them from now on.
    assert all(row.moment_ms == row.created_ms for row in outbox.rows.filter(state=0))
    assert len(take(database)[1]) == 2
