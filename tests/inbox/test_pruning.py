"""Old rows go, a few at a time, and never at the cost of a handler."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction

from django_redis_bus.inbox import Inbox, pruning
from django_redis_bus.models import InboxEvent
from tests.middleware.examples import event

pytestmark = pytest.mark.databases(transaction=True)

MakeInbox = Callable[..., Inbox]
DAY_S = 86_400
WAIT_A_LITTLE = {"postgresql": "SET lock_timeout = '1s'", "mariadb": "SET innodb_lock_wait_timeout = 1"}


@pytest.fixture
def due(pruned_lately: dict[str, float], database: str) -> Callable[[], bool]:
    """Have the database pruned after the next event. Returns what tells whether it is due within a second."""
    pruned_lately.pop(database)
    return lambda: pruned_lately[database] < time.monotonic() + 1


@pytest.fixture
def old(database: str) -> Callable[..., None]:
    """Add rows of events that were handled so long ago."""

    def add(count: int, age_s: float) -> None:
        handled_ms = int((time.time() - age_s) * 1000)
        InboxEvent.objects.using(database).bulk_create(
            InboxEvent(digest=f"{age_s:g}-{number}", group="g", event_id=str(number), handled_ms=handled_ms)
            for number in range(count)
        )

    return add


@pytest.fixture
def ids(database: str) -> Callable[[], set[str]]:
    return lambda: set(InboxEvent.objects.using(database).values_list("event_id", flat=True))


@pytest.fixture
def handle(inbox: MakeInbox) -> Callable[..., None]:
    """Handle an event."""
    return lambda event_id="new": inbox().once(lambda event: None)(event(id=event_id))


def test_rows_older_than_a_week_go(handle: Any, old: Any, ids: Any, due: Any, bus_settings: Any) -> None:
    old(3, 7 * DAY_S + 60)
    old(2, 7 * DAY_S - 60)
    handle()
    assert ids() == {"0", "1", "new"}
    assert not due()


def test_the_retention_is_a_setting(handle: Any, old: Any, ids: Any, due: Any, bus_settings: Any) -> None:
    bus_settings(INBOX={"retention": "1h"})
    old(3, 3_660)
    handle()
    assert ids() == {"new"}


def test_what_one_bus_wants_to_keep_is_kept(handle: Any, old: Any, ids: Any, due: Any, bus_settings: Any) -> None:
    eu = {"LOCATION": "embedded://", "INBOX": {"retention": "2h"}}
    bus_settings(INBOX={"retention": "1h"}, others={"eu": eu})
    old(1, 3_660)
    handle()
    assert ids() == {"0", "new"}


def test_a_thousand_at_a_time_and_soon_more(handle: Any, old: Any, ids: Any, due: Any, bus_settings: Any) -> None:
    old(1_200, 8 * DAY_S)
    handle("first")
    assert len(ids()) == 201
    assert due()
    time.sleep(pruning.GO_ON_S)
    handle("second")
    assert ids() == {"first", "second"}
    assert not due()


def test_a_failing_event_prunes_nothing(inbox: MakeInbox, old: Any, ids: Any, due: Any, bus_settings: Any) -> None:
    old(1, 8 * DAY_S)
    with pytest.raises(ZeroDivisionError):
        inbox().once(lambda event: 1 / 0)(event())
    assert ids() == {"0"}


def test_a_batch_prunes_too(inbox: MakeInbox, old: Any, ids: Any, due: Any, bus_settings: Any) -> None:
    old(1, 8 * DAY_S)
    inbox().once_each(lambda events: None)([event(id="a"), event(id="b")])
    assert ids() == {"a", "b"}


def test_not_inside_a_transaction_of_another(
    handle: Any, old: Any, ids: Any, due: Any, bus_settings: Any, database: str
) -> None:
    old(1, 8 * DAY_S)
    with transaction.atomic(using=database):
        handle()
        assert ids() == {"0", "new"}
    handle("again")
    assert ids() == {"new", "again"}


def test_trouble_is_logged_and_no_trouble_of_the_handler(
    handle: Any, old: Any, ids: Any, due: Any, bus_settings: Any, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("DELETE"):
            raise OperationalError("disk full")
        return execute(sql, *rest)

    old(1, 8 * DAY_S)
    with connections[database].execute_wrapper(refuse):
        handle()
    [record] = [record for record in caplog.records if record.name == "django_redis_bus.consumer"]
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"old rows of the inbox in database {database!r} could not be deleted"
    assert "disk full" in str(record.exc_info)
    assert ids() == {"0", "new"}
    assert not due()


@pytest.mark.databases("postgresql", "mariadb", transaction=True)
def test_rows_that_another_deletes_are_left_to_it(
    handle: Any, old: Any, ids: Any, due: Any, bus_settings: Any, database: str
) -> None:
    old(3, 8 * DAY_S)
    another = connections.create_connection(database)
    try:
        another.set_autocommit(False)
        with another.cursor() as cursor:
            cursor.execute("SELECT digest FROM django_redis_bus_inboxevent WHERE event_id = '1' FOR UPDATE")
        # Given a row that another process has locked, then the others go
        with connections[database].cursor() as cursor:
            cursor.execute(WAIT_A_LITTLE[database])
        handle()
        assert ids() == {"1", "new"}
        another.rollback()
    finally:
        another.close()
        connections[database].close()
