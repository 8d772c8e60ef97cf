"""How the relay's loops end, in bursts and when asked to, and what trouble they outlive."""

from __future__ import annotations

import threading
from time import sleep
from typing import Any

import pytest
from django.db import OperationalError, connections

from django_redis_bus.outbox import carrying
from django_redis_bus.outbox import relay as relaying
from django_redis_bus.outbox.carrying import Carrier
from django_redis_bus.outbox.rows import SCHEDULED
from tests.faults.fleet import wait_for

from .conftest import Outbox, Put, Start, burst, ids

pytestmark = pytest.mark.databases("default", transaction=True)


# --- bursts


@pytest.mark.databases(transaction=True)
def test_a_burst_ends_when_nothing_is_due(put: Put, outbox: Outbox, database: str) -> None:
    rows = put(3)
    put(1, due_in_ms=60_000, state=SCHEDULED)
    put(1, due_in_ms=60_000, attempts=1)

    relay = burst(database)

    assert outbox.sent() == ids(rows)
    assert relay.counts == {"sent": 3}
    assert relay.ended


def test_a_burst_waits_for_what_is_in_other_hands(put: Put, outbox: Outbox, database: str) -> None:
    put(1, due_in_ms=400)

    burst(database)

    assert outbox.states() == ["SENT"]


def test_a_burst_does_not_wait_for_ever(
    put: Put, outbox: Outbox, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "LEASE_MS", -500)
    monkeypatch.setattr(relaying.DatabaseLoop, "_in_other_hands", lambda self: True)
    put(1, due_in_ms=60_000)

    burst(database)

    assert outbox.states() == ["PENDING"]


def test_a_burst_in_a_test_sees_its_uncommitted_rows(database: str, put: Put, outbox: Outbox) -> None:
    from django.db import transaction

    with transaction.atomic(using=database):
        rows = put(2)
        burst(database)
        assert outbox.sent() == ids(rows)
        assert threading.active_count() < 20


# --- the end


@pytest.mark.databases(transaction=True)
def test_an_idle_relay_stops_at_once(start: Start, put: Put) -> None:
    running = start()
    sleep(0.5)

    assert running.stop() < 1.5
    assert running.relay.ended


def test_one_of_several_databases_that_hangs_is_left(
    start: Start, database: str, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Carrier, "turn", lambda self: sleep(5) or 0.0)
    running = start(database, database)
    running.stopping.drain_s = 0.2
    sleep(0.1)

    assert running.stop() < 2
    assert not running.relay.ended
    wait_for(lambda: running.relay.ended)


# --- trouble


def test_trouble_with_the_database_is_said_once_and_outlived(
    start: Start, put: Put, outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    turn = Carrier.turn
    broken = True
    tries = []

    def turning(self: Carrier) -> float:
        tries.append(1)
        if broken:
            raise OperationalError("server closed the connection unexpectedly")
        return turn(self)

    monkeypatch.setattr(Carrier, "turn", turning)
    rows = put(2)
    start()
    sleep(0.6)
    assert outbox.sent() == []
    assert 2 <= len(tries) <= 6

    broken = False

    wait_for(lambda: outbox.sent() == ids(rows))
    assert caplog.text.count("server closed the connection unexpectedly") == 1
    assert "Traceback" not in caplog.text
    wait_for(lambda: caplog.text.count("the relay goes on after") == 1)


def test_a_mistake_in_code_is_shown_with_its_place_and_outlived(
    start: Start, put: Put, outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [ZeroDivisionError("once")]
    claim = carrying.claim

    def claiming(*args: Any, **kwargs: Any) -> Any:
        if failures:
            raise failures.pop()
        return claim(*args, **kwargs)

    monkeypatch.setattr(carrying, "claim", claiming)
    rows = put(1)

    start()

    wait_for(lambda: outbox.sent() == ids(rows))
    assert "ZeroDivisionError: once" in caplog.text


def test_debug_keeps_no_queries(start: Start, put: Put, outbox: Outbox, settings: Any, database: str) -> None:
    settings.DEBUG = True
    logs = []
    turn = relaying.DatabaseLoop._turn

    def turning(self: relaying.DatabaseLoop) -> float:
        logs.append(len(connections[self.using].queries_log))
        return turn(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relaying.DatabaseLoop, "_turn", turning)
        start(poll_s=0.05)
        wait_for(lambda: len(logs) > 10)

    assert 0 < max(logs) < 40
    assert max(logs[5:]) <= max(logs[:5])
