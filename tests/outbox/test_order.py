"""The order of keys: which rows in hand may leave, and which have to wait for what."""

from __future__ import annotations

import pytest

from django_redis_bus.outbox.claiming import WAIT_MS, Blocker, Claimed, claim, in_order, sort_out
from django_redis_bus.outbox.rows import Row, now_ms

from .conftest import Outbox, Put

pytestmark = pytest.mark.databases(transaction=True)

LEASE_MS = 10_000


def take(database: str, *, limit: int = 500, who: int = 1, bus: str = "default") -> tuple[int, list[Claimed]]:
    return claim(database, bus, limit=limit, lease_ms=LEASE_MS, who=who)


def numbers(rows: list[Claimed] | list[Row]) -> list[int]:
    return [row.id for row in rows]


def test_rows_of_other_keys_and_of_none_do_not_wait(database: str, put: Put) -> None:
    put(1, keys=["a"], due_in_ms=60_000)
    put(1, keys=[None], due_in_ms=60_000)
    rows = put(2, keys=["b", None])
    held, taken = take(database)

    assert sort_out(database, taken, leases=[held]) == (taken, [])
    assert in_order(database, rows) == (rows, {})


def test_an_earlier_row_of_the_key_in_other_hands_is_waited_for(database: str, put: Put) -> None:
    rows = put(5, keys=["a", "b"])
    first = take(database, limit=2, who=1)[0]

    held, taken = take(database, who=2)
    sendable, waiting = sort_out(database, taken, leases=[held])

    assert sendable == []
    end_ms = first >> 20
    assert waiting == [(taken[n], Blocker(rows[n % 2].id, end_ms, 0)) for n in range(3)]


def test_the_rows_before_it_leave_and_those_behind_it_wait(database: str, put: Put, outbox: Outbox) -> None:
    rows = put(4, keys=["a"])
    outbox.rows.filter(id=rows[1].id).update(moment_ms=now_ms() + 50)

    held, taken = take(database)
    sendable, waiting = sort_out(database, taken, leases=[held])

    assert numbers(sendable) == [rows[0].id]
    assert [(row.id, blocker.id) for row, blocker in waiting] == [(rows[2].id, rows[1].id), (rows[3].id, rows[1].id)]


def test_rows_behind_one_that_fails_wait_for_as_long_as_it(database: str, put: Put, outbox: Outbox) -> None:
    first = put(1, keys=["a"], due_in_ms=60_000, attempts=1)[0]
    row = put(1, keys=["a"])[0]
    held, taken = take(database)
    moment_ms = outbox.row(first).moment_ms

    assert sort_out(database, taken, leases=[held]) == ([], [(taken[0], Blocker(first.id, moment_ms, 1))])
    assert in_order(database, [row]) == ([], {row.id: moment_ms + 1})
    assert in_order(database, [first]) == ([first], {})


@pytest.mark.parametrize("state", [1, 2, 3])
def test_what_is_scheduled_sent_or_parked_holds_nobody_up(database: str, put: Put, state: int) -> None:
    put(1, keys=["a"], state=state)
    put(1, keys=["a"])
    held, taken = take(database)

    assert sort_out(database, taken, leases=[held]) == (taken, [])


def test_who_wrote_rows_looks_at_all_that_are_before_them(database: str, put: Put) -> None:
    put(1, keys=["a"])
    mine = put(3, keys=["a", "b"], due_in_ms=5_000)

    sendable, waiting = in_order(database, mine)

    assert numbers(sendable) == [mine[1].id]
    assert list(waiting) == [mine[0].id, mine[2].id]
    # The earlier one is due, and so may they be.
    assert max(waiting.values()) <= now_ms() + 1


def test_for_what_is_in_hand_a_writer_lets_relays_wait_a_moment(database: str, put: Put) -> None:
    put(1, keys=["a"])
    take(database)
    mine = put(1, keys=["a"], due_in_ms=5_000)
    before = now_ms()

    _, waiting = in_order(database, mine)

    assert before + WAIT_MS <= waiting[mine[0].id] <= now_ms() + WAIT_MS
