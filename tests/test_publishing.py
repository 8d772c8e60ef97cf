"""publish(): when an event leaves, and under which id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from django_redis_bus import ConfigurationError, bus, buses
from django_redis_bus.models import OutboxEvent
from tests.app.models import Order

Declare = Callable[..., Any]
State = OutboxEvent.State


@pytest.fixture
def stored(redis_client: Any, prefix: str) -> Callable[[], list[bytes]]:
    """The data in the stream."""
    return lambda: [fields[b"data"] for _, fields in redis_client.xrange(f"{prefix}:events:order")]


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
class TestDelivery:
    def test_on_commit_waits_for_the_commit(self, declare: Declare, stored: Any) -> None:
        orders = declare()
        with transaction.atomic():
            assert orders.publish(1, delivery="on_commit").state == "on_commit"
            assert stored() == []
        assert stored() == [b"1"]

    def test_outbox_is_a_row_of_the_transaction(self, declare: Declare, stored: Any) -> None:
        orders = declare()
        with transaction.atomic():
            published = orders.publish(1, delivery="outbox", key="7")
            assert (published.state, published.entry_id) == ("outbox", None)
            assert OutboxEvent.objects.get(event_id=published.event_id).state == State.PENDING
            assert stored() == []
        assert stored() == [b"1"]
        assert OutboxEvent.objects.get().state == State.SENT

    def test_a_rollback_takes_row_and_event(self, declare: Declare, stored: Any) -> None:
        orders = declare()
        with transaction.atomic():
            orders.publish(1, delivery="outbox")
            transaction.set_rollback(True)
        assert stored() == []
        assert not OutboxEvent.objects.exists()

    def test_using_names_the_database(self, declare: Declare, stored: Any) -> None:
        orders = declare()
        with transaction.atomic(using="other"), transaction.atomic():
            orders.publish(1, delivery="outbox", using="other")
            assert OutboxEvent.objects.using("other").count() == 1
        assert OutboxEvent.objects.count() == 0
        assert stored() == [b"1"]

    async def test_from_async_code(self, declare: Declare, stored: Any) -> None:
        published = await declare().apublish(1, delivery="outbox")
        assert published.state == "outbox"
        assert await asyncio.to_thread(stored) == [b"1"]

    def test_without_the_fast_path_the_relay_does_it(self, bus_settings: Any, declare: Declare, stored: Any) -> None:
        bus_settings(OUTBOX={"fast_path": False})
        declare().publish(1, delivery="outbox")
        assert stored() == []
        assert OutboxEvent.objects.get().state == State.PENDING

    def test_an_event_behind_another_of_its_key_is_left_to_the_relay(self, declare: Declare, stored: Any) -> None:
        # Given a row of key a that somebody else has in hand
        orders = declare()
        orders.publish("a1", delivery="outbox", key="a")
        OutboxEvent.objects.update(state=State.PENDING)
        # When more is published
        orders.publish("a2", delivery="outbox", key="a")
        orders.publish("b1", delivery="outbox", key="b")
        # Then what has its key waits, and nothing else does
        assert stored() == [b'"a1"', b'"b1"']
        assert OutboxEvent.objects.get(id=OutboxEvent.objects.order_by("id")[1].id).state == State.PENDING

    def test_a_row_that_cannot_be_written_stops_the_change(self, bus_settings: Any) -> None:
        from django.db import connection

        bus_settings(
            STREAMS={"events:order": {}},
            PUBLISHERS={"o": {"MODEL": "tests_app.Order", "TOPIC": "events:order", "DELIVERY": "outbox"}},
        )
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE django_redis_bus_outboxevent RENAME TO elsewhere")
        try:
            with pytest.raises(Exception, match="outboxevent"):
                Order.objects.create()
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE elsewhere RENAME TO django_redis_bus_outboxevent")
        assert not Order.objects.exists()

    def test_an_unknown_delivery_is_refused(self, declare: Declare) -> None:
        with pytest.raises(ConfigurationError, match="'outbox', 'on_commit' or 'immediate'"):
            declare().publish(1, delivery="later")


@pytest.mark.django_db(transaction=True)
class TestDelay:
    @pytest.mark.parametrize("delay", [30, 30.0, timedelta(seconds=30)])
    def test_a_delay_is_a_row_for_later(self, declare: Declare, stored: Any, delay: Any) -> None:
        before = timezone.now().timestamp() * 1000
        assert declare().publish(1, delay=delay).state == "outbox"
        row = OutboxEvent.objects.get()
        assert row.state == State.SCHEDULED
        assert 29_000 < row.moment_ms - before < 40_000
        assert stored() == []

    def test_at(self, declare: Declare) -> None:
        moment = timezone.now() + timedelta(days=3)
        declare().publish(1, at=moment)
        assert OutboxEvent.objects.get().moment_ms == int(moment.timestamp() * 1000)

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"delay": -1}, "delay must be"),
            ({"delay": "soon"}, "delay must be"),
            ({"delay": True}, "delay must be"),
            ({"at": datetime(2026, 1, 1)}, "aware"),
            ({"delay": 1, "at": timezone.now()}, "not by both"),
            ({"deadline_s": 0}, "more than 0"),
            ({"delay": 1, "delivery": "on_commit"}, "need the outbox"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, declare: Declare, options: Any, said: str) -> None:
        with pytest.raises(ConfigurationError, match=said):
            declare().publish(1, **options)
        assert not OutboxEvent.objects.exists()

    def test_without_the_table_it_says_what_to_run(self, declare: Declare, settings: Any) -> None:
        class NoOutbox:
            def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
                return False if app_label == "django_redis_bus" else None

        from django.test import override_settings

        from django_redis_bus.outbox import table

        known, table._known = table._known, {}
        try:
            with override_settings(DATABASE_ROUTERS=[NoOutbox()]), pytest.raises(ConfigurationError, match="migrate"):
                declare().publish(1, delay=1)
        finally:
            table._known = known


class TestOnce:
    def test_an_id_is_added_once(self, declare: Declare, stored: Any) -> None:
        orders = declare()
        first, second = (orders.publish(1, id="charge-7") for _ in range(2))
        assert (first.state, second.state) == ("added", "known")
        assert first.entry_id == second.entry_id
        assert len(stored()) == 1

    def test_within_one_batch_too(self, declare: Declare, stored: Any) -> None:
        orders = declare()
        results: Any = bus.publish_many([orders.message(n, id="same") for n in range(3)])
        assert [result.state for result in results] == ["added", "known", "known"]
        assert len(stored()) == 1

    def test_another_stream_is_another_matter(self, declare: Declare) -> None:
        assert declare("events:order").publish(1, id="a").state == "added"
        assert declare("events:other").publish(1, id="a").state == "added"

    def test_none_switches_it_off(self, bus_settings: Any, declare: Declare, stored: Any) -> None:
        bus_settings(DEDUPLICATE=None)
        orders = declare()
        assert [orders.publish(1, id="a").state for _ in range(2)] == ["added", "added"]
        assert len(stored()) == 2


@pytest.mark.django_db(transaction=True)
def test_rows_that_were_sent_but_not_marked_are_added_once(declare: Declare, stored: Any, monkeypatch: Any) -> None:
    # Given a transaction of several events whose process dies before it can mark them
    from django_redis_bus.outbox import fast_path
    from django_redis_bus.outbox.rows import message_of

    def dies(*args: Any) -> None:
        raise SystemError

    orders = declare()
    with monkeypatch.context() as patched:
        patched.setattr(fast_path, "_mark", dies)
        with transaction.atomic():
            for n in range(5):
                orders.publish(n, delivery="outbox")
    assert len(stored()) == 5
    rows = OutboxEvent.objects.filter(state=State.PENDING)
    # When they are sent again
    messages = [message_of(row.topic, row.type, row.fields, row.token) for row in rows]
    replies: Any = bus.sender.attempt(messages)
    # Then Redis knows each
    assert [reply.known for reply in replies] == [True] * 5
    assert len(stored()) == 5


def test_the_same_id_of_another_source_is_another_event(
    bus_settings: Any, declare: Declare, server: Any, prefix: str, stored: Any
) -> None:
    till = {"LOCATION": server.url, "KEY_PREFIX": prefix, "SOURCE": "till", "STREAMS": {"events:order": {}}}
    bus_settings(others={"till": till})
    assert declare().publish(1, id="7").state == "added"
    assert buses["till"].publish("events:order", 1, id="7").state == "added"
    assert len(stored()) == 2
