"""Waking relays: at the commit on PostgreSQL, in time everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Thread, Timer
from time import monotonic, sleep

import pytest
from django.db import connections, transaction

from django_redis_bus.outbox import waking
from django_redis_bus.outbox.waking import CHANNEL, Waker, notify
from django_redis_bus.runtime.stopping import Stopping
from tests.database_servers import DatabaseServer
from tests.faults.fleet import wait_for

pytestmark = pytest.mark.databases("postgresql", transaction=True)

LONG_S = 10.0


@pytest.fixture
def stopping() -> Stopping:
    return Stopping(5)


@pytest.fixture
def waker(database: str, stopping: Stopping) -> Iterator[Waker]:
    made = Waker(database, stopping)
    made.wait(0.01)  # begins to listen
    yield made
    made.close()


def waited_s(waker: Waker, seconds: float = LONG_S) -> float:
    before = monotonic()
    waker.wait(seconds)
    return monotonic() - before


def later(work: Callable[[], None]) -> Timer:
    timer = Timer(0.2, work)
    timer.start()
    return timer


def test_it_is_woken_by_another_connection(waker: Waker, database: str) -> None:
    def tell() -> None:
        notify(database)
        connections[database].close()

    timer = later(tell)

    assert 0.1 < waited_s(waker) < LONG_S / 2
    timer.join()


def test_it_is_woken_by_the_commit_and_not_before(waker: Waker, database: str) -> None:
    with transaction.atomic(using=database):
        notify(database)
        assert waited_s(waker, 0.3) >= 0.3

    assert waited_s(waker) < LONG_S / 2


def test_a_rollback_wakes_nobody(waker: Waker, database: str) -> None:
    with transaction.atomic(using=database):
        notify(database)
        transaction.set_rollback(True, using=database)

    assert waited_s(waker, 0.3) >= 0.3


def test_what_came_while_it_worked_is_not_lost(waker: Waker, database: str) -> None:
    notify(database)
    sleep(0.1)

    assert waited_s(waker) < LONG_S / 2
    assert waited_s(waker, 0.3) >= 0.3


def test_it_listens_on_one_connection_and_leaves_none(waker: Waker, database: str) -> None:
    def listening() -> int:
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE query = %s", [f"LISTEN {CHANNEL}"])
            return int(cursor.fetchone()[0])

    waker.wait(0.01)
    assert listening() == 1

    waker.close()

    wait_for(lambda: listening() == 0)


@pytest.mark.databases(transaction=True)
def test_asked_to_stop_it_does_not_sleep_on(waker: Waker, stopping: Stopping) -> None:
    timer = later(stopping.request)

    assert 0.1 < waited_s(waker) < LONG_S / 2
    timer.join()


@pytest.mark.databases("default", "mariadb", transaction=True)
def test_elsewhere_it_sleeps(waker: Waker, database: str) -> None:
    notify(database)

    assert 0.2 <= waited_s(waker, 0.2) < LONG_S / 2


def test_a_lost_connection_wakes_it_and_is_made_anew(
    own_database: Callable[..., DatabaseServer], stopping: Stopping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking, "LISTEN_AGAIN_S", 0.1)
    own = own_database("postgresql")
    waker = Waker(own.alias, stopping)
    waker.wait(0.01)
    killing = Thread(target=own.kill)
    killing.start()
    assert waited_s(waker) < LONG_S / 2
    killing.join()

    assert waited_s(waker, 0.3) >= 0.3
    own.start()
    connections[own.alias].close()

    def woken() -> bool:
        notify(own.alias)
        return waited_s(waker, 0.5) < 0.4

    wait_for(woken)
    waker.close()


def test_without_a_way_to_listen_it_sleeps(database: str, stopping: Stopping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking, "CHANNEL", "no name at all")
    waker = Waker(database, stopping)

    assert 0.3 <= waited_s(waker, 0.3) < LONG_S / 2
    waker.close()
