"""A handler that lost its transaction without saying so has not handled the event."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connections, transaction
from django.db.models import F
from django.db.transaction import TransactionManagementError

from django_redis_bus.core.events import Event
from django_redis_bus.inbox import Inbox
from django_redis_bus.models import InboxEvent
from tests.app.models import Product, Tag
from tests.middleware.examples import event

pytestmark = pytest.mark.databases(transaction=True)

MakeInbox = Callable[..., Inbox]


@pytest.fixture
def kept(database: str) -> Callable[[], tuple[int, int]]:
    """How many effects there are, and how many events are known."""
    return lambda: (Tag.objects.using(database).count(), InboxEvent.objects.using(database).count())


@pytest.fixture
def broken(inbox: MakeInbox, database: str, kept: Any) -> Callable[[Callable[[], object]], None]:
    """Assert that a handler which does this, and returns, is told that nothing was kept, alone and in a batch."""

    def check(do: Callable[[], object]) -> None:
        def handle(_: Event[Any]) -> None:
            Tag.objects.using(database).create(name="before")
            do()

        with pytest.raises(TransactionManagementError, match=r"Handler shop\.handlers\.charge returned, but its trans"):
            inbox().once(handle)(event())
        assert kept() == (0, 0)
        with pytest.raises(TransactionManagementError):
            inbox().once_each(lambda events: handle(events[0]))([event(), event(id="e-2")])
        assert kept() == (0, 0)

    return check


def collide(database: str) -> None:
    Product.objects.using(database).create(sku="a")
    Product.objects.using(database).create(sku="a")


def test_an_error_of_the_orm_that_is_caught(broken: Any, database: str) -> None:
    def do() -> None:
        with suppress(IntegrityError):
            collide(database)

    broken(do)


@pytest.mark.databases("postgresql", transaction=True)
@pytest.mark.parametrize("sql", ["SELECT 1/0", "SELECT no_such_column", "nonsense"])
def test_an_error_of_a_cursor_that_is_caught(broken: Any, database: str, sql: str) -> None:
    # PostgreSQL runs nothing more in such a transaction, and answers its COMMIT with a ROLLBACK and no error
    def do() -> None:
        with suppress(DatabaseError), connections[database].cursor() as cursor:
            cursor.execute(sql)

    broken(do)


@pytest.mark.databases("default", "mariadb", transaction=True)
def test_where_only_the_statement_fails_the_rest_is_kept(inbox: MakeInbox, kept: Any, database: str) -> None:
    def handle(event: Event[Any]) -> None:
        with suppress(DatabaseError), connections[database].cursor() as cursor:
            cursor.execute("SELECT no_such_column")
        Tag.objects.using(database).create(name="after")

    inbox().once(handle)(event())
    assert kept() == (1, 1)


def test_an_error_caught_around_a_block_of_its_own_is_no_harm(inbox: MakeInbox, kept: Any, database: str) -> None:
    def handle(event: Event[Any]) -> None:
        with suppress(IntegrityError), transaction.atomic(using=database):
            collide(database)
        Tag.objects.using(database).create(name="after")

    inbox().once(handle)(event())
    assert kept() == (1, 1)


def test_a_connection_that_is_closed(broken: Any, database: str) -> None:
    broken(lambda: connections[database].close())


def test_a_rollback_that_is_asked_for(broken: Any, database: str) -> None:
    broken(lambda: transaction.set_rollback(True, using=database))


@pytest.mark.databases("mariadb", transaction=True)
def test_a_deadlock_that_is_caught(broken: Any, database: str) -> None:
    """MariaDB rolls back all of it, and what follows is a transaction that nobody began."""
    Product.objects.using(database).bulk_create([Product(sku=str(number)) for number in range(50)])

    def do() -> None:
        locked, deadlocks = Flag(), []

        def other() -> None:
            with transaction.atomic(using=database):
                # It has changed more than the handler, so the handler is the one that is given up.
                Product.objects.using(database).exclude(sku="0").update(stock=F("stock") + 1)
                locked.set()
                Product.objects.using(database).filter(sku="0").update(stock=1)
            connections[database].close()

        thread = Thread(target=other)
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT * FROM tests_app_product WHERE sku = '0' FOR UPDATE")
            thread.start()
            assert locked.wait(15)
            try:
                cursor.execute("SELECT * FROM tests_app_product WHERE sku = '1' FOR UPDATE")
            except OperationalError as error:
                deadlocks.append(error)
        thread.join(15)
        assert "Deadlock" in str(deadlocks)
        Tag.objects.using(database).create(name="after")

    broken(do)


def test_the_connection_is_as_before(inbox: MakeInbox, database: str) -> None:
    def fail(event: Event[Any]) -> None:
        raise ValueError

    with suppress(ValueError):
        inbox().once(fail)(event())
    inbox().once(lambda event: None)(event())
    assert connections[database].execute_wrappers == []
