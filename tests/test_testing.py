"""What projects test with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.db import transaction

from django_redis_bus import Event, Retry, buses
from django_redis_bus.testing import capture_events, consume, deliver, event_for, isolated_bus
from tests.app.models import Customer

Settings = Callable[..., None]


@pytest.fixture
def publishing(bus_settings: Settings) -> None:
    bus_settings(
        STREAMS={"events:customer": {}},
        PUBLISHERS={"customers": {"MODEL": "tests_app.Customer", "TOPIC": "events:customer", "FIELDS": ["name"]}},
    )


@pytest.mark.usefixtures("publishing")
@pytest.mark.django_db
def test_captured_events_are_seen_though_a_test_case_never_commits(redis_client: redis.Redis, prefix: str) -> None:
    with capture_events() as captured:
        Customer.objects.create(name="Ada")
        buses["default"].publish("events:customer", {"n": 1}, type="by.hand")
        with transaction.atomic():
            Customer.objects.create(name="never")
            transaction.set_rollback(True)
    assert [(c.event.type, c.event.data) for c in captured] == [
        ("by.hand", {"n": 1}),
        ("tests_app.customer.created", {"name": "Ada"}),
    ]
    assert not redis_client.exists(f"{prefix}:events:customer")


def test_an_event_for_a_handler_is_what_it_would_get(declare: Any) -> None:
    stream = declare("testing:events")
    event = event_for(stream, {"id": 7}, type="a.b", key="k", attempt=2)
    assert (event.data, event.type, event.key, event.attempt, event.topic) == (
        {"id": 7},
        "a.b",
        "k",
        2,
        "testing:events",
    )


@pytest.mark.usefixtures("bus_settings")
def test_consume_runs_what_is_there_and_says_what_became_of_it(declare: Any) -> None:
    stream = declare("testing:work")
    seen: list[Any] = []

    @stream.handler(group="g", retry=Retry(max_attempts=1))
    def work(event: Event[Any]) -> None:
        seen.append(event.data)
        if event.data == 2:
            raise ValueError

    for n in range(3):
        stream.publish(n)
    counts = consume("testing:work")
    assert seen == [0, 1, 2]
    assert (counts.handled, counts.retried, counts.dead) == (2, 0, 1)


@pytest.mark.usefixtures("bus_settings")
def test_an_isolated_bus_has_keys_of_its_own_and_leaves_none(
    declare: Any, redis_client: redis.Redis, prefix: str
) -> None:
    stream = declare("testing:apart")
    stream.handler(group="g", retry=Retry(max_attempts=1))(lambda event: 1 / 0)
    before = set(redis_client.scan_iter("*"))
    with isolated_bus():
        stream.publish(1)
        assert consume("testing:apart").dead == 1
        inside = set(redis_client.scan_iter("*")) - before
        assert inside
        assert not any(prefix.encode() in key for key in inside)
    assert not inside & set(redis_client.scan_iter("*"))
    # And afterwards the settings are the old ones
    assert buses["default"].config.key_prefix == prefix


def test_scheduled_events_are_captured(declare: Any) -> None:
    stream = declare("testing:later")
    with capture_events() as captured:
        assert stream.publish(1, delay=60).state == "outbox"
        stream.publish(2)
    assert [(c.event.data, c.at_ms is None) for c in captured] == [(1, False), (2, True)]


@pytest.mark.django_db
def test_deliver_goes_through_the_inbox(declare: Any) -> None:
    # Given an idempotent handler
    stream = declare("testing:work")
    seen: list[Any] = []

    @stream.handler(group="g", idempotent=True)
    def handle(event: Event[Any]) -> None:
        seen.append(event.data)

    # When it is given the same event twice
    event = event_for(stream, 1)
    deliver(handle, event)
    deliver(handle, event)
    # Then it ran once; and a call of the function itself runs it
    assert seen == [1]
    handle(event)
    assert seen == [1, 1]


def test_deliver_gives_batch_handlers_a_list(declare: Any) -> None:
    stream = declare("testing:work")

    @stream.handler(group="g", batch=10)
    def handle(events: list[Event[Any]]) -> Any:
        return [None for _ in events]

    assert deliver(handle, event_for(stream, 1)) == [None]


def test_deliver_says_what_it_cannot_find(declare: Any, declare_channel: Any) -> None:
    stream = declare("testing:work")
    with pytest.raises(LookupError, match="bound in the groups: none"):
        deliver(print, event_for(stream, 1))

    @stream.handler(group="a")
    @stream.handler(group="b")
    def handle(event: Event[Any]) -> None: ...

    @declare_channel().listener()
    def hear(event: Event[Any]) -> None: ...

    with pytest.raises(LookupError, match=r"hear is a listener of channel 'chat:\{room\}': call it, hear\("):
        deliver(hear, event_for(stream, 1))
    with pytest.raises(LookupError, match="'a'"):
        deliver(handle, event_for(stream, 1))
    deliver(handle, event_for(stream, 1), group="a")


@pytest.mark.usefixtures("publishing")
@pytest.mark.django_db
def test_consume_warns_of_events_that_wait_for_a_commit(declare: Any) -> None:
    stream = declare("events:customer")

    @stream.handler(group="g")
    def handle(event: Event[Any]) -> None: ...

    Customer.objects.create(name="Ada")
    with pytest.warns(RuntimeWarning, match="A TestCase never commits"):
        assert consume("events:customer").handled == 0
