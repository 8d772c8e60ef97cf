"""Noting what was published: with the next claim, and without waiting for the disk where that loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from django_redis_bus.outbox import leases
from django_redis_bus.outbox.claiming import claim, in_order
from tests.outbox.conftest import Outbox, Put

pytestmark = pytest.mark.databases(transaction=True)


def test_the_claim_of_the_next_batch_notes_what_was_published(database: str, put: Put, outbox: Outbox) -> None:
    rows = put(5)

    first = claim(database, "default", limit=2, lease_ms=10_000, who=1)
    second = claim(database, "default", limit=2, lease_ms=10_000, who=1, sent=[row.id for row in first.rows])

    assert outbox.states() == ["SENT", "SENT", "PENDING", "PENDING", "PENDING"]
    assert [row.id for row in second.rows] == [rows[2].id, rows[3].id]


def test_a_claim_that_fails_notes_nothing(database: str, put: Put, outbox: Outbox) -> None:
    rows = put(2)

    def fails(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if "LIMIT" in sql:
            raise ZeroDivisionError
        return execute(sql, *args)

    with connections[database].execute_wrapper(fails), pytest.raises(ZeroDivisionError):
        claim(database, "default", limit=1, lease_ms=10_000, who=1, sent=[rows[0].id])

    assert outbox.states() == ["PENDING", "PENDING"]
    assert outbox.row(rows[1]).lease == 0


def test_rows_that_are_not_there_are_neither_published_nor_given_back(database: str, put: Put, outbox: Outbox) -> None:
    first, keyed, plain, kept = put(4, keys=["a", "a", None, "b"])
    outbox.rows.filter(id__in=[keyed.id, plain.id]).delete()

    assert in_order(database, [first, keyed, plain, kept]) == ([first, kept], {})
    assert in_order(database, [plain]) == ([], {})
    assert in_order(database, [keyed]) == ([], {})
    outbox.rows.filter(id=first.id).delete()
    assert in_order(database, [first]) == ([], {})
    assert in_order(database, [kept]) == ([kept], {})


@pytest.mark.databases("postgresql", transaction=True)
@pytest.mark.parametrize(("within", "waits"), [(False, "off"), (True, "on")], ids=["alone", "in a transaction"])
def test_a_claim_waits_for_the_disk_only_as_a_part_of_something_else(
    database: str, put: Put, within: bool, waits: str
) -> None:
    put(1)
    told: list[str] = []

    def ask(execute: Callable[..., Any], *args: Any) -> Any:
        with connections[database].connection.cursor() as cursor:
            told.append(cursor.execute("SHOW synchronous_commit").fetchone()[0])
        return execute(*args)

    with transaction.atomic(database) if within else nullcontext(), connections[database].execute_wrapper(ask):
        claim(database, "default", limit=1, lease_ms=10_000, who=1)

    assert told[-1] == waits
    assert connections[database].connection.execute("SHOW synchronous_commit").fetchone()[0] == "on"


@pytest.mark.databases("postgresql", transaction=True)
def test_so_does_a_mark(database: str, put: Put, outbox: Outbox) -> None:
    rows = put(2)
    with CaptureQueriesContext(connections[database]) as alone:
        leases.sent(database, [rows[0].id])
    with transaction.atomic(database), CaptureQueriesContext(connections[database]) as within:
        leases.sent(database, [rows[1].id])

    assert [q["sql"].startswith("SET LOCAL synchronous_commit = off; ") for q in alone] == [True]
    assert [q["sql"].startswith("UPDATE") for q in within] == [True]
    assert outbox.states() == ["SENT", "SENT"]
