"""ONLY_IF_CHANGED and CHANGES compare with the row that a save overwrites, also where it waits for another save."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction
from django.test.utils import CaptureQueriesContext

from django_redis_bus.models import OutboxEvent
from tests.app.models import GiftOrder, Order

from .conftest import Configure

Data = Callable[[], list[Any]]


@pytest.mark.databases("postgresql", "mariadb", transaction=True)
@pytest.mark.parametrize("delivery", ["outbox", "on_commit"])
def test_a_save_that_waits_for_another(database: str, publisher: Configure, data: Data, delivery: str) -> None:
    # Given a row that another transaction has saved and not yet committed
    publisher(DELIVERY=delivery, FIELDS=["status"], ONLY_IF_CHANGED=["status"], CHANGES=True)
    order = Order(status="new")
    order.save(using=database)
    changed, saved = Event(), Event()

    def pay() -> None:
        with transaction.atomic(using=database):
            theirs = Order.objects.using(database).get(pk=order.pk)
            theirs.status = "paid"
            theirs.save()
            changed.set()
            assert not saved.wait(0.5)
        connections[database].close()

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(pay)
        changed.wait()
        # When what was loaded before is saved
        if delivery == "outbox":
            order.save()
        else:
            with transaction.atomic(using=database):
                order.save()
        saved.set()
        other.result()
    # Then that is a change back, and is told as one
    if delivery == "outbox":
        # Which is sent by whom, and when, is not the point here.
        assert OutboxEvent.objects.using(database).count() == 3
        return
    assert sorted(map(str, data())) == sorted(
        str(each)
        for each in (
            {"status": "new"},
            {"status": "paid", "changes": {"status": {"old": "new", "new": "paid"}}},
            {"status": "new", "changes": {"status": {"old": "paid", "new": "new"}}},
        )
    )


@pytest.mark.databases("postgresql", "mariadb", transaction=True)
def test_the_row_is_locked_in_a_transaction_alone(database: str, publisher: Configure) -> None:
    # Given a child in two tables
    publisher(MODEL="tests_app.GiftOrder", ONLY_IF_CHANGED=["status", "message"])
    gift = GiftOrder(status="new")
    gift.save(using=database)

    def reads() -> list[str]:
        with CaptureQueriesContext(connections[database]) as captured:
            gift.save()
        return [query["sql"] for query in captured if query["sql"].startswith("SELECT")]

    # Then rows that come to refer to it need not wait, where the database knows the difference
    lock = {"postgresql": "FOR NO KEY UPDATE", "mariadb": "FOR UPDATE"}[database]
    assert [lock in sql for sql in reads()] == [False]
    with transaction.atomic(using=database):
        assert [sql.endswith(lock) for sql in reads()] == [True]


@pytest.mark.databases("postgresql", "mariadb", transaction=True)
def test_a_deadlock_is_no_secret(database: str, publisher: Configure) -> None:
    # Given two transactions, each of which has saved what the other is going to save
    publisher(ONLY_IF_CHANGED=["status"])
    made = [Order(status="new") for _ in range(2)]
    for order in made:
        order.save(using=database)
    both = Barrier(2)

    def save(status: str, *orders: Order) -> str:
        try:
            with transaction.atomic(using=database):
                for order in orders:
                    mine = Order.objects.using(database).get(pk=order.pk)
                    mine.status = status
                    mine.save()
                    if order is orders[0]:
                        both.wait(10)
        except OperationalError:
            return "nothing"
        finally:
            connections[database].close()
        return status

    # Then one of them fails as a whole
    with ThreadPoolExecutor(2) as pool:
        outcomes = {pool.submit(save, "a", *made), pool.submit(save, "b", *reversed(made))}
        said = {outcome.result() for outcome in outcomes}
    stored = set(Order.objects.using(database).values_list("status", flat=True))
    assert said == {"nothing", *stored}
    assert len(stored) == 1
