"""Idempotent handlers in a consumer: what comes twice over the stream has one effect and is acked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from django.db import connections
from django.test.utils import CaptureQueriesContext

from django_redis_bus import Event, Retry, Stream, buses
from django_redis_bus.consuming import ConsumeOptions, consume
from django_redis_bus.core.handlers import Handler
from django_redis_bus.inbox import Inbox
from django_redis_bus.middleware import DEFAULT, Middleware
from django_redis_bus.models import InboxEvent
from tests.app.models import Tag

pytestmark = pytest.mark.databases(transaction=True)

AT_ONCE = Retry(max_attempts=3, backoff_s=0)


class Closing(Middleware):
    """Closes the connections of a thread, which ends without a word."""

    @contextmanager
    def around(self, event: Event[Any], handler: Handler) -> Iterator[None]:
        try:
            yield
        finally:
            connections.close_all()


@pytest.fixture
def orders(declare: Callable[..., Stream[Any]]) -> Stream[Any]:
    return declare()


@pytest.fixture
def publish_twice(orders: Stream[Any], redis_client: redis.Redis, prefix: str) -> Callable[[int], None]:
    """Publish events, and add each again as a failover or a replay would."""

    def publish(count: int) -> None:
        key = f"{prefix}:events:order"
        for number in range(count):
            orders.publish({"n": number})
        for _, fields in redis_client.xrange(key):
            redis_client.xadd(key, fields)

    return publish


def burst(**options: Any) -> Any:
    """Consume what there is; return what became of it."""
    [loop] = consume(buses["default"], ConsumeOptions(burst=True, **options)).loops
    return loop.settling.counts


def names(database: str) -> list[str]:
    return sorted(tag.name for tag in Tag.objects.using(database).all())


@pytest.mark.parametrize("threads", [0, 4])
def test_twice_in_the_stream_once_in_the_database(
    database: str, orders: Stream[Any], publish_twice: Callable[[int], None], bus_settings: Any, threads: int
) -> None:
    bus_settings(MIDDLEWARE=[*DEFAULT, f"{__name__}.Closing"])

    @orders.handler(group="billing", idempotent=True, using=database, retry=AT_ONCE)
    def charge(event: Event[Any]) -> None:
        if event.data["n"] == 2 and event.attempt == 1:
            raise ValueError("once")
        Tag.objects.using(database).create(name=str(event.data["n"]))

    publish_twice(5)
    counts = burst(threads=threads)
    assert names(database) == ["0", "1", "2", "3", "4"]
    assert (counts.handled, counts.dead) == (10, 0)
    assert InboxEvent.objects.using(database).count() == 5


def test_batches(database: str, orders: Stream[Any], publish_twice: Callable[[int], None]) -> None:
    @orders.handler(group="billing", idempotent=True, using=database, retry=AT_ONCE, batch=3)
    def charge(events: list[Event[Any]]) -> list[Exception | None]:
        Tag.objects.using(database).bulk_create([Tag(name=str(e.data["n"])) for e in events if e.data["n"] != 1])
        return [ValueError("one") if e.data["n"] == 1 else None for e in events]

    publish_twice(5)
    counts = burst()
    assert names(database) == ["0", "2", "3", "4"]
    assert (counts.handled, counts.dead) == (8, 2)


def test_what_it_publishes_names_its_cause(database: str, orders: Stream[Any], declare: Any) -> None:
    invoices = declare("events:invoice")
    seen: list[Event[Any]] = []
    invoices.handler(group="g")(lambda event: seen.append(event))

    @orders.handler(group="billing", idempotent=True, using=database)
    def charge(event: Event[Any]) -> None:
        invoices.publish({"order": event.data["n"]})

    orders.publish({"n": 7}, id="order-7")
    burst(topics=("events:order",))
    burst(topics=("events:invoice",))
    assert [event.causation_id for event in seen] == ["order-7"]


def test_the_function_can_be_called_directly(database: str, orders: Stream[Any]) -> None:
    def charge(event: object) -> int:
        return 5

    # Given a decorated function, then a test of the project calls it as it is
    assert orders.handler(idempotent=True, using=database)(charge) is charge
    with CaptureQueriesContext(connections[database]) as queries:
        assert charge(None) == 5
    assert len(queries) == 0


def test_a_wrapped_function_goes_by_its_own_name(inbox: Callable[..., Inbox]) -> None:
    def charge(event: object) -> None:
        """Charge."""

    for wrapped in (inbox().once(charge), inbox().once_each(charge)):
        assert (wrapped.__qualname__, wrapped.__doc__) == (charge.__qualname__, "Charge.")
