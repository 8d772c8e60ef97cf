"""Publishing to a real server: publish, apublish, publish_many."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis
from pydantic import BaseModel

from django_redis_bus import (
    ConfigurationError,
    Message,
    PayloadError,
    Published,
    PublishError,
    UnknownTopic,
    bus,
    buses,
)
from tests.core.examples import OrderData
from tests.servers import Server

Declare = Callable[..., Any]
Entries = Callable[..., list[dict[bytes, bytes]]]


@pytest.fixture
async def event_loop_ends(bus_settings: Callable[..., None]) -> AsyncIterator[None]:
    """Nobody else closes the connections of this test's event loop."""
    yield
    await bus.clients.aclose()


@pytest.fixture
def entries(redis_client: redis.Redis, prefix: str) -> Entries:
    """What a stream of this test holds."""

    def look(topic: str = "events:order") -> list[dict[bytes, bytes]]:
        return [fields for _, fields in redis_client.xrange(f"{prefix}:{topic}")]

    return look


def test_publish_adds_one_entry_and_names_it(
    declare: Declare, entries: Entries, redis_client: Any, prefix: str
) -> None:
    # Given a stream
    orders = declare()
    # When something is published
    published = orders.publish({"id": 7}, type="shop.order.created", key="7", subject="order 7", extensions={"a": "b"})
    # Then it is there, under the plain key, as CloudEvents
    [(entry_id, fields)] = redis_client.xrange(f"{prefix}:events:order")
    assert published == Published(topic="events:order", event_id=published.event_id, entry_id=entry_id.decode())
    assert re.fullmatch(r"[0-9a-f]{32}", published.event_id)
    time = fields.pop(b"ce_time")
    assert fields == {
        b"ce_specversion": b"1.0", b"ce_id": published.event_id.encode(), b"ce_source": b"tests",
        b"ce_type": b"shop.order.created", b"ce_subject": b"order 7", b"ce_partitionkey": b"7", b"ce_a": b"b",
        b"content-type": b"application/json", b"data": b'{"id":7}',
    }  # fmt: skip
    age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(time.decode())
    assert dt.timedelta(0) <= age < dt.timedelta(seconds=10)


@pytest.mark.usefixtures("event_loop_ends")
async def test_apublish_does_the_same(declare: Declare, entries: Entries) -> None:
    published = await declare().apublish({"id": 7}, type="created")
    [fields] = await asyncio.to_thread(entries)
    assert fields[b"ce_id"].decode() == published.event_id
    assert fields[b"data"] == b'{"id":7}'


def test_a_stream_may_be_named_by_its_text(declare: Declare, entries: Entries) -> None:
    declare()
    bus.publish("events:order", {"id": 7})
    assert entries()[0][b"ce_type"] == b"tests.events.order"


def test_a_name_with_placeholders_belongs_to_its_stream(declare: Declare, entries: Entries) -> None:
    tenants = declare("tenant:{tenant}:orders")
    bus.publish("tenant:acme:orders", 1)
    tenants(tenant="acme").publish(2)
    bus.publish(tenants(tenant="acme"), 3)
    assert [fields[b"data"] for fields in entries("tenant:acme:orders")] == [b"1", b"2", b"3"]
    assert entries("tenant:acme:orders")[0][b"ce_type"] == b"tests.tenant.orders"


@pytest.mark.parametrize("publish", [bus.publish, bus.message])
def test_placeholders_have_to_be_filled(declare: Declare, publish: Callable[..., Any]) -> None:
    tenants = declare("tenant:{tenant}:orders")
    with pytest.raises(PayloadError, match="takes the parameters: tenant"):
        publish("tenant:{tenant}:orders", {})
    with pytest.raises(PayloadError, match="takes the parameters: tenant"):
        publish(tenants, {})


@pytest.mark.parametrize("name", ["events:ordr", "tenant::orders", "tenant:a b:orders", "tenant:\ud800:orders", ""])
def test_an_unknown_topic_lists_the_known(declare: Declare, name: str) -> None:
    declare("events:order")
    declare("tenant:{tenant}:orders")
    with pytest.raises(UnknownTopic, match=r"Did you mean|Known: 'events:order', 'tenant:"):
        bus.publish(name, {})


def test_a_stream_of_another_bus_is_refused(
    declare: Declare, bus_settings: Callable[..., None], server: Server
) -> None:
    bus_settings(others={"eu": {"LOCATION": server.url, "KEY_PREFIX": "eu"}})
    orders = declare()
    with pytest.raises(ConfigurationError, match="belongs to bus 'default', not to 'eu'"):
        buses["eu"].publish(orders, {})
    with pytest.raises(UnknownTopic):
        buses["eu"].publish("events:order", {})


def test_each_bus_has_its_own_prefix_and_source(
    declare: Declare, bus_settings: Callable[..., None], server: Server, prefix: str, redis_client: redis.Redis
) -> None:
    bus_settings(others={"eu": {"LOCATION": server.url, "KEY_PREFIX": f"{prefix}:eu", "SOURCE": "shop.eu"}})
    declare(bus="eu").publish({})
    [(_, fields)] = redis_client.xrange(f"{prefix}:eu:events:order")
    assert fields[b"ce_source"] == b"shop.eu"


@pytest.mark.parametrize("alias", ["us", "defualt", ""])
def test_an_unknown_alias_lists_the_known(bus_settings: Callable[..., None], alias: str) -> None:
    with pytest.raises(ConfigurationError, match="no alias"):
        buses[alias]


def test_a_bus_with_a_mistake_in_settings_says_which(bus_settings: Callable[..., None]) -> None:
    bus_settings(LEASE="soon")
    with pytest.raises(ConfigurationError, match=r"LEASE.*bus\.E003"):
        bus.publish("events:order", {})


def test_buses_is_a_mapping_of_what_is_configured(bus_settings: Callable[..., None], server: Server) -> None:
    bus_settings(others={"eu": {"LOCATION": server.url}})
    assert list(buses) == ["default", "eu"]
    assert len(buses) == 2
    assert "eu" in buses
    assert "us" not in buses
    assert buses["eu"] is buses["eu"]
    assert buses["default"].alias == bus.alias == "default"


# --- many


class Moody(BaseModel):
    """A model whose own code fails."""

    def model_dump(self, **options: Any) -> Any:
        raise AttributeError("no mood")


def items(orders: Any) -> list[Any]:
    return [
        (orders, {"id": 1}),
        ("events:nowhere", {"id": 2}),
        ("events:order", {"id": "three"}),
        (orders, object()),
        (orders, Moody()),
        orders.message({"id": 4}, type="special"),
        ("events:order", {"id": 5}),
    ]


KINDS = [Published, UnknownTopic, PayloadError, PayloadError, PayloadError, Published, Published]


def test_publish_many_has_a_result_for_each_and_sends_the_good_ones(declare: Declare, entries: Entries) -> None:
    results = bus.publish_many(items(declare(payload=OrderData)))
    assert [type(result) for result in results] == KINDS
    assert [fields[b"data"] for fields in entries()] == [b'{"id":1}', b'{"id":4}', b'{"id":5}']
    assert entries()[1][b"ce_type"] == b"special"


@pytest.mark.usefixtures("event_loop_ends")
async def test_apublish_many_has_a_result_for_each_and_sends_the_good_ones(declare: Declare, entries: Entries) -> None:
    results = await bus.apublish_many(items(declare(payload=OrderData)))
    assert [type(result) for result in results] == KINDS
    assert len(await asyncio.to_thread(entries)) == 3


def test_one_that_redis_refuses_does_not_spoil_the_others(
    declare: Declare, entries: Entries, redis_client: redis.Redis, prefix: str
) -> None:
    # Given a key of another kind where a stream should be
    redis_client.set(f"{prefix}:events:broken", "text")
    good, broken = declare("events:order"), declare("events:broken")
    # When three are published
    results = bus.publish_many([(good, 1), (broken, 2), (good, 3)])
    # Then the second has its error
    assert [type(result) for result in results] == [Published, PublishError, Published]
    assert [fields[b"data"] for fields in entries()] == [b"1", b"3"]
    with pytest.raises(PublishError, match="WRONGTYPE"):
        broken.publish(2)


def test_more_than_one_write_takes_keep_their_order(declare: Declare, entries: Entries) -> None:
    orders = declare()
    results = bus.publish_many([(orders, number) for number in range(2_500)])
    ids = [result.entry_id for result in results if isinstance(result, Published)]
    assert len(set(ids)) == 2_500
    assert [fields[b"data"] for fields in entries()] == [str(number).encode() for number in range(2_500)]


def test_nothing_to_publish_is_nothing(bus_settings: Callable[..., None]) -> None:
    assert bus.publish_many([]) == []


def test_a_message_can_be_made_now_and_sent_later(declare: Declare, entries: Entries) -> None:
    data = {"id": 7}
    message = declare().message(data, type="created")
    data["id"] = 8
    assert isinstance(message, Message)
    assert entries() == []
    [published] = bus.send([message])
    assert isinstance(published, Published)
    assert published.event_id == message.event_id
    assert entries()[0][b"data"] == b'{"id":7}'


# --- processes and event loops


def test_each_event_loop_has_connections_of_its_own(declare: Declare, entries: Entries) -> None:
    orders = declare()

    async def twice() -> list[Published]:
        try:
            return list(await asyncio.gather(orders.apublish(1), orders.apublish(2)))
        finally:
            await bus.clients.aclose()

    assert len(asyncio.run(twice()) + asyncio.run(twice())) == 4
    assert len(entries()) == 4


async def test_a_sync_publish_in_an_event_loop_is_warned_of(declare: Declare) -> None:
    with pytest.warns(RuntimeWarning, match="blocks the running event loop"):
        declare().publish(1)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # other tests' threads; from Python 3.12 on
def test_a_fork_does_not_share_a_connection(declare: Declare, entries: Entries) -> None:
    # Given a connection in use
    orders = declare()
    orders.publish("parent")
    # When a child publishes too
    pid = os.fork()
    if pid == 0:
        try:
            for _ in range(20):
                orders.publish("child")
            os._exit(0)
        finally:
            os._exit(1)
    for _ in range(20):
        orders.publish("parent")
    # Then neither has read the other's replies
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert len(entries()) == 41
