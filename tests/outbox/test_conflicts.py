"""Statements that got in each other's way are done again, and nothing else is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, BrokenBarrierError

import pytest
from django.db import OperationalError, connections, transaction

from django_redis_bus.outbox import conflicts
from django_redis_bus.outbox.conflicts import is_conflict, retried

from .conftest import Outbox, Put

pytestmark = pytest.mark.databases(transaction=True)

DEADLOCK = OperationalError(1213, "Deadlock found when trying to get lock; try restarting transaction")


class Failing:
    """Work that fails so often before it succeeds."""

    def __init__(self, times: int, error: Exception = DEADLOCK) -> None:
        self.left = times
        self.done = 0
        self._error = error

    def __call__(self) -> str:
        self.done += 1
        if self.left:
            self.left -= 1
            raise self._error
        return "done"


@pytest.mark.databases("postgresql", "mariadb", transaction=True)  # SQLite has one writer at a time
def test_both_sides_of_a_deadlock_get_through(database: str, put: Put, outbox: Outbox) -> None:
    rows = put(2)
    met = Barrier(2, timeout=1)
    undone: list[OperationalError] = []

    def cross(first: int, second: int) -> None:
        def work() -> None:
            try:
                with transaction.atomic(using=database):
                    outbox.rows.filter(id=first).update(error="x")
                    try:
                        met.wait()
                    except BrokenBarrierError:
                        pass  # the second time nobody is there
                    outbox.rows.filter(id=second).update(error="x")
            except OperationalError as error:
                undone.append(error)
                raise

        try:
            retried(database, work)
        finally:
            connections[database].close()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(cross, rows[0].id, rows[1].id), pool.submit(cross, rows[1].id, rows[0].id)]:
            done.result(30)

    assert undone
    assert all(is_conflict(error) for error in undone)


@pytest.mark.databases("default", transaction=True)
def test_a_locked_sqlite_is_a_conflict(database: str, put: Put, outbox: Outbox) -> None:
    put(1)

    def writing() -> None:
        connection = connections[database]
        try:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA busy_timeout = 0")
                with pytest.raises(OperationalError) as caught:
                    cursor.execute("UPDATE django_redis_bus_outboxevent SET error = 'x'")
            assert is_conflict(caught.value)
        finally:
            connection.close()

    with transaction.atomic(using=database), ThreadPoolExecutor(1) as pool:
        outbox.rows.update(error="y")
        pool.submit(writing).result(10)


def test_what_fails_a_few_times_is_done_in_the_end(database: str) -> None:
    work = Failing(3)

    assert retried(database, work) == "done"
    assert work.done == 4


def test_there_is_an_end_to_it(database: str) -> None:
    work = Failing(100)

    with pytest.raises(OperationalError):
        retried(database, work)

    assert work.done == conflicts._TRIES


def test_another_error_is_raised_at_once(database: str) -> None:
    work = Failing(1, OperationalError("server closed the connection unexpectedly"))

    with pytest.raises(OperationalError):
        retried(database, work)

    assert work.done == 1


def test_in_a_transaction_of_somebody_elses_it_is_done_once(database: str) -> None:
    work = Failing(1)

    with pytest.raises(OperationalError), transaction.atomic(using=database):
        retried(database, work)

    assert work.done == 1
