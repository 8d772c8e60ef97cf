from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from django.db import connection, connections

from django_redis_bus.middleware import connections as module
from django_redis_bus.middleware.connections import Connections


@pytest.fixture
def cleaned(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What was done, in order."""
    done: list[str] = []
    monkeypatch.setattr(module, "reset_queries", lambda: done.append("reset"))
    monkeypatch.setattr(module, "close_old_connections", lambda: done.append("close"))
    return done


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The monotonic clock: set clock["now"]."""
    now = {"now": 1_000.0}
    monkeypatch.setattr(module, "monotonic", lambda: now["now"])
    return now


def test_before_a_batch_at_most_once_in_a_second(cleaned: list[str], clock: dict[str, float]) -> None:
    middleware = Connections()
    middleware.begin()
    assert cleaned == ["reset", "close"]
    clock["now"] += 0.9
    middleware.begin()
    assert len(cleaned) == 2
    clock["now"] += 0.1
    middleware.begin()
    assert len(cleaned) == 4


def test_each_thread_has_its_own_connections_and_its_own_second(cleaned: list[str], clock: dict[str, float]) -> None:
    middleware = Connections()
    middleware.begin()
    thread = Thread(target=middleware.begin)
    thread.start()
    thread.join()
    assert len(cleaned) == 4


def test_after_every_failure_at_once(cleaned: list[str], clock: dict[str, float]) -> None:
    middleware = Connections()
    middleware.begin()
    middleware.failed()
    middleware.failed()
    assert len(cleaned) == 6


async def test_the_same_for_coroutines(cleaned: list[str], clock: dict[str, float]) -> None:
    middleware = Connections()
    await middleware.abegin()
    await middleware.abegin()
    assert len(cleaned) == 2
    clock["now"] += 1.0
    await middleware.abegin()
    assert len(cleaned) == 4
    await middleware.afailed()
    assert len(cleaned) == 6


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_is_too_old_is_closed(settings: Any) -> None:
    # Given a connection whose time has come
    connection.ensure_connection()
    assert connection.connection is not None
    connection.close_at = 0.0
    # When a handler failed
    Connections().failed()
    # Then the next one meets a new connection
    assert connection.connection is None


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_works_is_kept(settings: Any) -> None:
    connection.ensure_connection()
    kept = connection.connection
    connection.close_at = None
    Connections().failed()
    assert connection.connection is kept


@pytest.mark.django_db
def test_logged_queries_are_forgotten(settings: Any) -> None:
    settings.DEBUG = True
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT 1")
    assert connection.queries
    Connections().begin()
    assert not connection.queries


@pytest.mark.django_db
def test_a_transaction_is_left_alone(django_user_model: Any) -> None:
    # Inside TestCase a handler's failure must not close the connection that holds the test's rows.
    connection.close_at = 0.0
    Connections().failed()
    assert connection.connection is not None
    connection.close_at = None
