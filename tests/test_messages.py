"""What a message holds: type, version, attributes, size, cause."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import redis

from django_redis_bus import EventTooLarge, HopLimitExceeded, PayloadError
from django_redis_bus.core.causation import handling
from django_redis_bus.core.events import Event
from django_redis_bus.testing import event_for
from tests.core.examples import OrderData, OrderModel

Declare = Callable[..., Any]
Entries = Callable[[], list[dict[bytes, bytes]]]


@pytest.fixture
def entries(redis_client: redis.Redis, prefix: str) -> Entries:
    """What events:order holds."""
    return lambda: [fields for _, fields in redis_client.xrange(f"{prefix}:events:order")]


# --- types


def test_the_class_of_the_data_names_the_type(declare: Declare, entries: Entries) -> None:
    orders = declare(payload={"created": OrderData, "changed": OrderModel})
    orders.publish(OrderModel(id=7))
    assert entries()[0][b"ce_type"] == b"changed"


def test_among_several_types_one_has_to_be_said(declare: Declare, entries: Entries) -> None:
    orders = declare(payload={"created": OrderData, "opened": OrderData})
    with pytest.raises(PayloadError, match=r"say type=…\. Known: 'created', 'opened'"):
        orders.publish(OrderData(id=7))
    with pytest.raises(PayloadError, match="declares no event type 'moved'"):
        orders.publish(OrderData(id=7), type="moved")
    orders.publish(OrderData(id=7), type="opened")
    assert [fields[b"ce_type"] for fields in entries()] == [b"opened"]


def test_data_that_do_not_fit_are_refused_before_anything_is_sent(declare: Declare, entries: Entries) -> None:
    orders = declare(payload=OrderData)
    with pytest.raises(PayloadError) as caught:
        orders.publish({"id": 7, "lines": [{"sku": 5}]})
    assert (caught.value.path, caught.value.topic) == ("$.lines[0].sku", "events:order")
    assert entries() == []


@pytest.mark.parametrize("stream", ["events:order:v2", "events:order"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("event_type", [None, "order.created.v2", "order.created"])
def test_whatever_is_published_can_be_read(declare: Declare, stream: str, version: int, event_type: str | None) -> None:
    # Given names that look like schema versions
    orders = declare(stream, version=version)
    # Then our own reader takes the event as it is
    event = event_for(orders, {"id": 7}, type=event_type)
    assert event.type == event_type or event_type is None
    assert (event.data, event.version) == ({"id": 7}, version)


def test_the_version_stands_in_the_dataschema(declare: Declare, entries: Entries) -> None:
    declare(version=3).publish({})
    assert entries()[0][b"ce_dataschema"] == b"bus:events:order:v3"


# --- attributes


@pytest.mark.parametrize(
    "attributes",
    [
        {"key": 7}, {"key": ""}, {"key": "a\nb"}, {"subject": 7}, {"subject": "\x00"}, {"type": "a\nb"}, {"type": 7},
        {"id": "a\x1b"}, {"id": 7}, {"time": "2026-11-22T08:00:00Z"}, {"time": dt.datetime(2026, 1, 1)},
        {"extensions": {"id": "x"}}, {"extensions": {"a": 7}}, {"extensions": {"A": "x"}},
    ],
)  # fmt: skip
def test_attributes_that_cannot_be_are_payload_errors(declare: Declare, attributes: dict[str, Any]) -> None:
    with pytest.raises(PayloadError):
        declare().message({}, **attributes)


def test_an_id_and_a_time_of_ones_own(declare: Declare, entries: Entries) -> None:
    moment = dt.datetime(2026, 11, 22, 8, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    published = declare().publish({}, id="order-7", time=moment)
    assert published.event_id == "order-7"
    assert entries()[0][b"ce_id"] == b"order-7"
    assert entries()[0][b"ce_time"] == b"2026-11-22T08:00:00+02:00"


# --- size


def test_the_limit_is_on_the_encoded_data(declare: Declare, bus_settings: Callable[..., None]) -> None:
    bus_settings(MAX_EVENT_BYTES=100, COMPRESS_OVER=10)
    orders = declare()
    orders.publish("x" * 98)
    with pytest.raises(EventTooLarge, match="101 bytes of data, MAX_EVENT_BYTES is 100"):
        orders.publish("x" * 99)


def test_large_data_are_compressed_and_read_again(
    declare: Declare, bus_settings: Callable[..., None], entries: Entries
) -> None:
    bus_settings(COMPRESS_OVER=100)
    orders = declare()
    for size in (98, 99):
        orders.publish("x" * size)
        assert event_for(orders, "x" * size).data == "x" * size
    small, large = entries()
    assert b"content-encoding" not in small
    assert large[b"content-encoding"] == b"deflate"
    assert len(large[b"data"]) < 50


# --- causes


def test_what_a_handler_publishes_names_its_cause(declare: Declare, bus_settings: Callable[..., None]) -> None:
    bus_settings(MAX_HOPS=2)
    orders = declare()
    first: Event[Any] = event_for(orders, {})
    token = handling.set(first)
    try:
        second = event_for(orders, {})
        handling.set(second)
        third = event_for(orders, {})
        handling.set(third)
        with pytest.raises(HopLimitExceeded):
            orders.publish({})
    finally:
        handling.reset(token)
    assert (second.causation_id, second.correlation_id, second.hops) == (first.id, first.id, 1)
    assert (third.causation_id, third.correlation_id, third.hops) == (second.id, first.id, 2)
