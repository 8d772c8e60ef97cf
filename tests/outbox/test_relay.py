"""The relay's loops: when they work, when they sleep, how they end, and what trouble they outlive."""

from __future__ import annotations

from time import sleep
from typing import Any

import pytest
import redis

from django_redis_bus.models import OutboxEvent
from django_redis_bus.outbox import relay as relaying
from django_redis_bus.outbox.carrying import Carrier
from django_redis_bus.outbox.rows import SCHEDULED, now_ms
from django_redis_bus.outbox.waking import notify
from tests.faults.fleet import wait_for

from .conftest import Outbox, Put, Start, burst, ids

pytestmark = pytest.mark.databases("default", transaction=True)


# --- work


@pytest.mark.databases(transaction=True)
def test_it_ships_what_lies_there_and_what_comes(start: Start, put: Put, outbox: Outbox) -> None:
    rows = put(1_200, keys=["a", "b", "c"])
    start()
    wait_for(lambda: len(outbox.sent()) == 1_200)

    rows += put(3)

    wait_for(lambda: set(outbox.states()) == {"SENT"})
    assert outbox.sent() == ids(rows)


@pytest.mark.databases(transaction=True)
def test_many_relays_ship_each_row_once_and_keys_in_order(start: Start, put: Put, outbox: Outbox) -> None:
    rows = put(1_000, keys=[*"abcdefg", None])

    for _ in range(3):
        start(batch=20)

    wait_for(lambda: set(outbox.states()) == {"SENT"})
    sent = outbox.sent()
    assert sorted(sent) == sorted(ids(rows))
    for key in "abcdefg":
        mine = {row.message.event_id: row.id for row in rows if row.message.key == key}
        order = [mine[event_id] for event_id in sent if event_id in mine]
        assert order == sorted(order)


def test_each_bus_has_its_turn(
    start: Start, put: Put, outbox: Outbox, bus_settings: Any, redis_client: redis.Redis, server: Any, prefix: str
) -> None:
    bus_settings(others={"eu": {"LOCATION": server.url, "KEY_PREFIX": f"{prefix}eu"}})
    put(300)
    put(2, bus="eu")

    start(batch=10)

    wait_for(lambda: set(outbox.states()) == {"SENT"})
    assert redis_client.xlen(f"{prefix}eu:events:order") == 2


def test_a_bus_whose_redis_is_away_keeps_no_other_waiting(
    start: Start, put: Put, outbox: Outbox, bus_settings: Any
) -> None:
    bus_settings(others={"eu": {"LOCATION": "unix:///tmp/nobody-is-here.sock"}})
    put(2, bus="eu")
    start()
    sleep(0.3)
    rows = put(5)

    wait_for(lambda: outbox.states().count("SENT") == 5)

    assert outbox.sent() == ids(rows)
    assert set(outbox.rows.filter(bus="eu").values_list("state", "attempts")) == {(0, 0)}


def test_only_the_buses_it_is_told(put: Put, outbox: Outbox, bus_settings: Any, server: Any, database: str) -> None:
    bus_settings(others={"eu": {"LOCATION": server.url}})
    put(1)
    put(1, bus="eu")

    burst(database, buses=("default",))

    assert outbox.states() == ["SENT", "PENDING"]


@pytest.mark.databases("default", transaction=True, also=["other"])
def test_databases_are_served_side_by_side(start: Start, put: Put, outbox: Outbox) -> None:
    rows = put(3)
    for row in OutboxEvent.objects.all():
        row.pk, row.event_id = None, f"other-{row.event_id}"
        row.save(using="other")

    running = start("default", "other")

    wait_for(lambda: not OutboxEvent.objects.using("other").exclude(state=2).exists())
    wait_for(lambda: set(outbox.states()) == {"SENT"})
    assert running.relay.counts["sent"] == 6
    assert rows


def test_a_scheduled_row_leaves_in_time(start: Start, put: Put, outbox: Outbox) -> None:
    start(poll_s=30.0)
    rows = put(1, state=SCHEDULED, due_in_ms=300)
    assert outbox.sent() == []

    wait_for(lambda: outbox.sent() == ids(rows))

    assert now_ms() - outbox.row(rows[0]).created_ms >= 300


@pytest.mark.databases("postgresql", transaction=True)
def test_it_is_woken_where_the_database_can(start: Start, put: Put, outbox: Outbox, database: str) -> None:
    start(poll_s=60.0)
    sleep(0.3)
    # It sleeps for longer each time by now.
    rows = put(1)
    notify(database)

    wait_for(lambda: outbox.sent() == ids(rows), timeout_s=15)


def test_an_idle_relay_asks_the_database_once_per_poll(start: Start, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = []
    turn = Carrier.turn
    monkeypatch.setattr(Carrier, "turn", lambda self: turns.append(1) or turn(self))

    start(poll_s=0.2)
    sleep(1.5)

    assert 4 <= len(turns) <= 14  # 20, 40, 80, 160, 200, 200 … ms


def test_sent_rows_are_pruned_while_it_idles(
    start: Start, put: Put, outbox: Outbox, bus_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "PRUNE_EACH_S", 0.1)
    bus_settings(OUTBOX={"retention": 60})
    put(1_500, state=2, due_in_ms=-61_000)
    put(1, state=2)

    start()

    wait_for(lambda: len(outbox.states()) == 1)


def test_of_a_bus_that_is_not_there_it_prunes_what_was_sent_and_tells_of_the_rest(
    start: Start, put: Put, outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(relaying, "PRUNE_EACH_S", 0.05)
    put(1, bus="gone", state=2, due_in_ms=-90_000_000)
    kept = put(1, bus="gone", state=2, due_in_ms=-80_000_000)
    kept += put(1, bus="gone", created_ms=1)

    start()

    wait_for(lambda: list(outbox.rows.order_by("id").values_list("id", flat=True)) == [row.id for row in kept])
    assert caplog.text.count("events wait for bus 'gone'") == 1
    assert outbox.states() == ["SENT", "PENDING"]
