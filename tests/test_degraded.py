"""Redis in trouble: where events go, how long it takes, and in which order they arrive."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep, time
from typing import Any

import pytest
from django.db import connection, transaction

from django_redis_bus import Published, StreamFull, Unavailable, bus, buses
from django_redis_bus.models import OutboxEvent
from tests.app.models import Order
from tests.servers import Server

Declare = Callable[..., Any]
Own = Callable[..., Server]

DEADLINE_S = 0.2
# What a busy machine may take longer.
PATIENCE_S = 2.0
NOWHERE = "unix:///tmp/nobody-is-here.sock"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def own(own_server: Own, bus_settings: Callable[..., None]) -> Server:
    """A server of this test's own, which its bus uses."""
    server = own_server()
    bus_settings(
        LOCATION=server.url,
        KEY_PREFIX="",
        DEADLINE=DEADLINE_S,
        CIRCUIT={"failures": 2, "cooldown": 0.2},
        STREAMS={"events:order": {}},
        PUBLISHERS={
            "orders": {"MODEL": "tests_app.Order", "TOPIC": "events:order", "FIELDS": ["id", "status"]},
        },
    )
    return server


def states() -> list[str]:
    return [
        OutboxEvent.State(state).name for state in OutboxEvent.objects.order_by("id").values_list("state", flat=True)
    ]


class TestOnFailure:
    def test_events_go_to_the_outbox_where_there_is_one(self, bus_settings: Any, declare: Declare) -> None:
        bus_settings(LOCATION=NOWHERE)
        published = declare().publish(1, key="7")
        assert (published.state, published.entry_id) == ("outbox", None)
        row = OutboxEvent.objects.get()
        assert (row.bus, row.topic, row.event_id, row.state) == ("default", "events:order", published.event_id, 0)
        assert bus.counts["outbox"] == 1

    async def test_the_async_twin_does_the_same(self, bus_settings: Any, declare: Declare) -> None:
        bus_settings(LOCATION=NOWHERE)
        published = await declare().apublish(1)
        assert published.state == "outbox"
        assert await OutboxEvent.objects.acount() == 1

    def test_raise(self, bus_settings: Any, declare: Declare) -> None:
        bus_settings(LOCATION=NOWHERE, ON_FAILURE="raise")
        with pytest.raises(Unavailable, match="nobody-is-here"):
            declare().publish(1)
        assert not OutboxEvent.objects.exists()

    def test_drop_says_so_and_counts(
        self, bus_settings: Any, declare: Declare, caplog: pytest.LogCaptureFixture
    ) -> None:
        bus_settings(LOCATION=NOWHERE, ON_FAILURE="drop")
        orders = declare()
        assert orders.publish(1).state == "dropped"
        assert [r.state for r in bus.publish_many([(orders, 2), (orders, 3)]) if isinstance(r, Published)] == [
            "dropped",
            "dropped",
        ]
        assert bus.counts["dropped"] == 3
        assert "2 event(s) dropped" in caplog.text
        assert not OutboxEvent.objects.exists()

    def test_a_save_goes_through_and_its_event_waits(self, bus_settings: Any) -> None:
        bus_settings(
            LOCATION=NOWHERE,
            STREAMS={"events:order": {}},
            PUBLISHERS={"orders": {"MODEL": "tests_app.Order", "TOPIC": "events:order"}},
        )
        with transaction.atomic():
            Order.objects.create()
            Order.objects.create()
        assert Order.objects.count() == 2
        assert states() == ["PENDING", "PENDING"]

    def test_what_is_wrong_with_an_event_is_not_spilled(self, redis_client: Any, prefix: str, declare: Declare) -> None:
        from django_redis_bus import PublishError

        redis_client.set(f"{prefix}:events:order", "no stream")
        with pytest.raises(PublishError, match="WRONGTYPE"):
            declare().publish(1)
        assert not OutboxEvent.objects.exists()

    def test_an_outbox_that_cannot_be_written_leaves_the_error(
        self, bus_settings: Any, declare: Declare, caplog: pytest.LogCaptureFixture
    ) -> None:
        bus_settings(LOCATION=NOWHERE, ON_FAILURE="spill")
        orders = declare()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE django_redis_bus_outboxevent RENAME TO elsewhere")
        try:
            with pytest.raises(Unavailable):
                orders.publish(1)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE elsewhere RENAME TO django_redis_bus_outboxevent")
        assert "could not be spilled" in caplog.text


class TestFrozen:
    def test_saves_take_no_longer_than_the_deadline_and_then_nothing(self, own: Server) -> None:
        # Given a Redis that takes connections and answers nothing, not even the first
        own.freeze()
        # When rows are saved
        took = []
        for _ in range(6):
            started = monotonic()
            Order.objects.create()
            took.append(monotonic() - started)
        own.thaw()
        # Then two of them waited, the circuit opened, and the rest did not wait
        assert max(took) < DEADLINE_S + PATIENCE_S
        assert sum(took) < 3 * DEADLINE_S + PATIENCE_S
        assert bus.circuit.state == "open"
        assert states() == ["PENDING"] * 6

    def test_rows_are_not_held_back_while_the_circuit_is_open(self, own: Server, declare: Declare) -> None:
        orders = declare("events:other")
        own.freeze()
        for _ in range(3):
            orders.publish(1, delivery="outbox")
        own.thaw()
        # The first two were tried and are still held; the third is due at once
        moments = OutboxEvent.objects.order_by("id").values_list("moment_ms", flat=True)
        assert [moment > time() * 1000 for moment in moments] == [True, True, False]

    def test_a_deadline_of_its_own_for_one_call(self, own: Server, declare: Declare) -> None:
        orders = declare("events:other")
        own.freeze()
        started = monotonic()
        assert orders.publish(1, deadline_s=0.05).state == "outbox"
        assert monotonic() - started < DEADLINE_S + PATIENCE_S
        own.thaw()

    def test_the_circuit_closes_when_redis_is_back(
        self, own: Server, declare: Declare, caplog: pytest.LogCaptureFixture
    ) -> None:
        orders = declare("events:other")
        own.freeze()
        for _ in range(3):
            orders.publish(1)
        own.thaw()
        deadline = monotonic() + 10
        while bus.circuit.state != "closed" and monotonic() < deadline:
            sleep(0.05)
            orders.publish(2)
        assert bus.circuit.state == "closed"
        assert caplog.text.count("the circuit is open") == 1
        assert caplog.text.count("Redis answers again") == 1

    def test_nothing_overtakes_what_was_spilled(self, own: Server, declare: Declare) -> None:
        # Given an event of key a in the outbox, and Redis back
        orders = declare("events:other")
        own.freeze()
        assert orders.publish("a1", key="a").state == "outbox"
        own.thaw()
        # When more is published
        deadline = monotonic() + 10
        while orders.publish("b", key="b").state != "added" and monotonic() < deadline:
            sleep(0.05)
        # Then what has its key waits behind it, and the rest goes on
        assert orders.publish("a2", key="a").state == "outbox"
        assert orders.publish("none").state == "added"
        # And when the outbox has been emptied, it goes on as well
        OutboxEvent.objects.update(state=OutboxEvent.State.SENT)
        sleep(1.1)
        assert orders.publish("a3", key="a").state == "added"

    def test_what_a_frozen_redis_had_received_is_not_added_twice(self, own: Server, declare: Declare) -> None:
        # Given a batch and an event that timed out, which Redis reads when it wakes up
        orders = declare("events:other")
        orders.publish("before")
        own.freeze()
        results = bus.publish_many([(orders, n) for n in range(50)])
        single = orders.publish("single")
        assert {r.state for r in results if isinstance(r, Published)} == {"outbox"}
        assert single.state == "outbox"
        own.thaw()
        # When the rows are sent
        from django_redis_bus.outbox.rows import message_of

        rows = list(OutboxEvent.objects.order_by("id"))
        messages = [message_of(row.topic, row.type, row.fields, row.token) for row in rows]
        deadline = monotonic() + 10
        while monotonic() < deadline:
            sent = buses["default"].sender.attempt(messages)
            if not any(isinstance(reply, Unavailable) for reply in sent):
                break
            sleep(0.1)
        # Then each is there once
        ids = [fields[b"ce_id"].decode() for _, fields in own.client().xrange("events:other")]
        assert len(ids) == len(set(ids)) == 52
        assert {row.event_id for row in rows} <= set(ids)


class TestOtherTrouble:
    def test_out_of_memory(self, own_server: Own, bus_settings: Any, declare: Declare) -> None:
        server = own_server()
        bus_settings(LOCATION=server.url)
        orders = declare()
        server.client().config_set("maxmemory", 1)
        assert orders.publish("x" * 1000).state == "outbox"
        assert bus.circuit.state == "closed"

    def test_read_only(self, own_server: Own, bus_settings: Any, declare: Declare) -> None:
        server = own_server()
        server.client().execute_command("REPLICAOF", "127.0.0.1", "1")
        bus_settings(LOCATION=server.url)
        assert declare().publish(1).state == "outbox"

    def test_a_refused_user(self, own_server: Own, bus_settings: Any, declare: Declare) -> None:
        server = own_server()
        server.client().execute_command("ACL", "SETUSER", "default", "-xadd", "-evalsha", "-eval")
        bus_settings(LOCATION=server.url)
        assert declare().publish(1).state == "outbox"


class TestMaxLag:
    @pytest.fixture
    def full(self, bus_settings: Any, declare: Declare, redis_client: Any, prefix: str) -> Callable[..., Any]:
        """A stream whose one group is 5 events behind, with a limit of 5."""

        def make(on_full: str) -> Any:
            bus_settings(STREAMS={"events:order": {"MAX_LAG": 5, "ON_FULL": on_full}})
            orders = declare()
            redis_client.xgroup_create(f"{prefix}:events:order", "billing", id="0", mkstream=True)
            for n in range(5):
                orders.publish(n)
            sleep(1.1)  # what a process knows of the lag is a second old at most
            return orders

        return make

    def test_raise(self, full: Any) -> None:
        orders = full("raise")
        with pytest.raises(StreamFull, match="MAX_LAG is 5 events"):
            orders.publish("too much")
        assert not OutboxEvent.objects.exists()

    def test_spill(self, full: Any) -> None:
        assert full("spill").publish("too much").state == "outbox"

    def test_trim(self, full: Any, redis_client: Any, prefix: str) -> None:
        assert full("trim").publish("one more").state == "added"

    def test_other_streams_go_on(self, full: Any, declare: Declare) -> None:
        orders = full("raise")
        other = declare("events:other")
        results = bus.publish_many([(orders, 1), (other, 2), (orders, 3)])
        assert [type(result) for result in results] == [StreamFull, Published, StreamFull]

    def test_a_group_that_caught_up_makes_room(self, full: Any, redis_client: Any, prefix: str) -> None:
        orders = full("raise")
        key = f"{prefix}:events:order"
        entries = redis_client.xreadgroup("billing", "me", {key: ">"})[0][1]
        redis_client.xack(key, "billing", *[entry_id for entry_id, _ in entries])
        sleep(1.1)
        assert orders.publish("again").state == "added"
