"""Events that Redis did not take become rows, wherever the caller stands, and break nothing there."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any
from unittest import mock

import pytest
from django.db import DatabaseError, connections, transaction

from django_redis_bus import Published, Unavailable, bus
from django_redis_bus.models import OutboxEvent
from django_redis_bus.outbox import rows
from tests.app.models import Order
from tests.servers import Server

Declare = Callable[..., Any]
NOWHERE = "unix:///tmp/nobody-is-here.sock"


@pytest.mark.databases(transaction=True)
def test_a_row_that_cannot_be_written_leaves_the_callers_transaction_whole(
    database: str, bus_settings: Any, declare: Declare
) -> None:
    # Given Redis away, and an insert that the database refuses
    bus_settings(LOCATION=NOWHERE, ON_FAILURE="spill")
    orders = declare()

    def refused(*args: Any, **options: Any) -> Any:
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere")

    # When an event is published in the midst of a transaction
    with mock.patch.object(rows, "store", refused), transaction.atomic(using=database):
        Order.objects.using(database).create(status="before")
        with pytest.raises(Unavailable):
            orders.publish(1, using=database)
        Order.objects.using(database).create(status="after")
    # Then the caller is told, and its transaction is committed
    assert set(Order.objects.using(database).values_list("status", flat=True)) == {"before", "after"}


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_a_database_without_outbox_spills_to_the_default_one(
    bus_settings: Any, declare: Declare, settings: Any
) -> None:
    from django_redis_bus.outbox import table

    bus_settings(LOCATION=NOWHERE)
    orders = declare()
    with mock.patch.object(table, "exists", lambda using: using == "default"):
        assert orders.publish(1, using="other").state == "outbox"
    assert OutboxEvent.objects.using("default").count() == 1


@pytest.mark.django_db(transaction=True)
class TestBacklog:
    def test_it_ends_with_the_last_row_of_our_own(self, bus_settings: Any, declare: Declare, server: Server) -> None:
        # Given a spilled row, and a pending one of somebody else's that stays
        orders = declare()
        sender = bus.sender
        with mock.patch.object(type(sender), "attempt", lambda self, m, d=None: [Unavailable("away") for _ in m]):
            assert orders.publish(1, key="a").state == "outbox"
        OutboxEvent.objects.all().delete()
        rows.store("default", [orders.message(2, key="b")], using="default", moment_ms=0)
        # When the backlog is looked at again
        with mock.patch("django_redis_bus.outbox.backlog._LOOK_AGAIN_S", 0.0):
            assert orders.publish(3, key="c").state == "added"
        # Then nothing is asked any more
        assert not sender._backlog

    def test_a_database_that_cannot_be_asked_holds_nothing_back(
        self, bus_settings: Any, declare: Declare, django_assert_num_queries: Any
    ) -> None:
        orders = declare()
        bus.sender._backlog.begin("default", 10)

        def gone(*args: Any) -> Any:
            raise DatabaseError("gone")

        with mock.patch("django_redis_bus.outbox.backlog.table.model", gone):
            assert orders.publish(1, key="a").state == "added"


@pytest.mark.django_db(transaction=True)
class TestCircuit:
    def test_who_is_in_a_hurry_opens_it_for_nobody(self, bus_settings: Any, declare: Declare, own_server: Any) -> None:
        own = own_server()
        bus_settings(LOCATION=own.url, CIRCUIT={"failures": 2})
        orders = declare()
        own.freeze()
        for _ in range(4):
            orders.publish(1, deadline_s=0.01)
        assert bus.circuit.state == "closed"
        own.thaw()

    def test_nothing_to_send_says_nothing_of_redis(self, bus_settings: Any, declare: Declare) -> None:
        bus_settings(LOCATION=NOWHERE, CIRCUIT={"failures": 1, "cooldown": "1h"})
        declare().publish(1)
        assert bus.circuit.state == "open"
        assert bus.publish_many([]) == []
        assert bus.circuit.state == "open"

    def test_many_limited_streams_share_one_deadline(
        self, bus_settings: Any, declare: Declare, own_server: Any
    ) -> None:
        own = own_server()
        bus_settings(LOCATION=own.url, DEADLINE=0.2, STREAMS={"tenant:{t}": {"MAX_LAG": 10}})
        declare("tenant:{t}")
        own.freeze()
        started = monotonic()
        results = bus.publish_many([(f"tenant:{n}", n) for n in range(20)])
        took = monotonic() - started
        own.thaw()
        assert {r.state for r in results if isinstance(r, Published)} == {"outbox"}
        # Twenty deadlines would be four seconds.
        assert took < 2.5


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("outbox", [{}, {"fast_path": False}], ids=["fast path", "relay only"])
def test_a_publisher_that_was_switched_off_elsewhere_comes_back(
    bus_settings: Any, redis_client: Any, prefix: str, outbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a process whose only publisher is off
    entry = {"MODEL": "tests_app.Order", "TOPIC": "events:order", "DELIVERY": "outbox"}
    bus_settings(STREAMS={"events:order": {}}, PUBLISHERS={"orders": entry}, OUTBOX=outbox)
    monkeypatch.setattr("django_redis_bus.switches.LOOK_AGAIN_S", 0.0)
    redis_client.sadd(f"{prefix}:publishers:off", "orders")
    Order.objects.create()
    Order.objects.create()
    told = OutboxEvent.objects.count()
    assert told <= 1
    # When another process switches it on
    redis_client.delete(f"{prefix}:publishers:off")
    Order.objects.create()
    # Then this one hears of it
    assert OutboxEvent.objects.count() == told + 1
