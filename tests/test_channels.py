"""Channels on a real server: declared, published to, one by one and with streams, and their history."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.db import transaction

from django_redis_bus import (
    ConfigurationError,
    EventTooLarge,
    PayloadError,
    Published,
    UnknownTopic,
    bus,
    registry,
)
from django_redis_bus.testing import capture_events, event_for, isolated_bus
from tests.app.models import Customer
from tests.core.examples import OrderData

Declare = Callable[..., Any]
Settings = Callable[..., None]
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def hear(redis_client: redis.Redis, prefix: str) -> Callable[..., Callable[[], list[Any]]]:
    """hear("chat:*") listens from now on; what it returns gives what came since, as JSON."""

    def listen(pattern: str = "*") -> Callable[[], list[Any]]:
        pubsub = redis_client.pubsub()
        pubsub.psubscribe(f"{prefix}:{pattern}")
        assert pubsub.get_message(timeout=5)

        def heard() -> list[Any]:
            found = []
            while message := pubsub.get_message(timeout=0.05):
                found.append(json.loads(message["data"]))
            return found

        return heard

    return listen


# --- published


def test_a_message_is_heard_as_it_was_meant(declare_channel: Declare, hear: Any, prefix: str) -> None:
    heard = hear()
    chat = declare_channel(payload=OrderData)

    published = chat(room="lobby").publish(OrderData(id=7), key="k", extensions={"authorid": "1"})

    assert published == Published(topic="chat:lobby", event_id=published.event_id, state="sent", receivers=1)
    [message] = heard()
    assert (message["id"], message["source"], message["type"]) == (published.event_id, "tests", "tests.chat")
    assert message["data"] == {"id": 7, "total": "0", "lines": []}
    assert (message["partitionkey"], message["authorid"], "offset" in message) == ("k", "1", False)


@pytest.mark.usefixtures("bus_settings")
async def test_the_async_twins(declare_channel: Declare) -> None:
    chat = declare_channel(history=10)
    try:
        first = await chat(room="lobby").apublish({"n": 1})
        [second] = await bus.apublish_many([("chat:lobby", {"n": 2})])
        events = await chat(room="lobby").ahistory()
    finally:
        await bus.clients.aclose()
    assert (first.state, first.receivers) == ("sent", 0)
    assert isinstance(second, Published)
    assert [(e.data, e.offset, e.epoch) for e in events] == [
        ({"n": 1}, first.offset, first.epoch),
        ({"n": 2}, second.offset, first.epoch),
    ]


def test_by_name_by_channel_and_with_streams_in_one_call(declare: Declare, declare_channel: Declare, hear: Any) -> None:
    orders, chat, notes = declare("events:order"), declare_channel(history=5), declare_channel("notes", payload=int)
    heard = hear()

    results = bus.publish_many(
        [(orders, 1), (chat(room="a"), 2), ("chat:b", 3), (notes, "no number"), (notes, 4), ("events:order", 5)]
    )

    assert [getattr(r, "state", type(r).__name__) for r in results] == [
        "added", "sent", "sent", "PayloadError", "sent", "added",
    ]  # fmt: skip
    assert sorted(m["data"] for m in heard()) == [2, 3, 4]
    assert [r.offset is not None for r in results if isinstance(r, Published)] == [False, True, True, False, False]


def test_an_undeclared_name_lists_what_there_is(declare: Declare, declare_channel: Declare) -> None:
    declare("events:order")
    declare_channel()
    with pytest.raises(UnknownTopic, match=r"Known: 'chat:\{room\}', 'events:order'"):
        bus.publish("nothing:like:it", 1)


def test_what_is_ephemeral_is_not_kept(declare_channel: Declare, hear: Any) -> None:
    heard, room = hear(), declare_channel(history=5)(room="lobby")
    room.publish("typing", ephemeral=True)
    room.publish("said")
    assert [(m["data"], m.get("ephemeral"), "offset" in m) for m in heard()] == [
        ("typing", True, False),
        ("said", None, True),
    ]
    assert [e.data for e in room.history()] == ["said"]


def test_a_stream_has_nothing_ephemeral(declare: Declare) -> None:
    with pytest.raises(ConfigurationError, match="ephemeral=True is for channels"):
        declare().publish(1, ephemeral=True)


def test_it_is_json_whatever_streams_are(bus_settings: Settings, declare_channel: Declare, hear: Any) -> None:
    bus_settings(SERIALIZER="msgpack", COMPRESS_OVER=1)
    heard = hear()
    declare_channel("notes").publish({"a": math.nan, "b": math.inf, "c": b"\x00", "d": "\u2028</script>"})
    [message] = heard()
    assert message["data"] == {"a": None, "b": None, "c": "AA==", "d": "\u2028</script>"}
    assert message["datacontenttype"] == "application/json"


@pytest.mark.parametrize(
    ("data", "error"), [(object(), PayloadError), ("\ud800", PayloadError), ("x" * 200, EventTooLarge)]
)
def test_what_cannot_be_sent(
    bus_settings: Settings, declare_channel: Declare, data: object, error: type[Exception]
) -> None:
    bus_settings(MAX_EVENT_BYTES=100)
    with pytest.raises(error, match="Channel 'chat:lobby'"):
        declare_channel()(room="lobby").publish(data)


# --- delivery


@pytest.mark.parametrize("options", [{"delivery": "outbox"}, {"delay": 5}, {"delivery": "outbox", "delay": 5}], ids=str)
def test_a_live_message_does_not_wait(declare_channel: Declare, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="Channel 'chat:lobby' is live"):
        declare_channel()(room="lobby").publish(1, **options)


@pytest.mark.django_db(transaction=True)
def test_on_commit(declare_channel: Declare, hear: Any) -> None:
    heard, room = hear(), declare_channel()(room="lobby")
    with transaction.atomic():
        assert room.publish(1, delivery="on_commit").state == "on_commit"
        assert heard() == []
    with transaction.atomic():
        room.publish(2, delivery="on_commit")
        transaction.set_rollback(True)
    assert [m["data"] for m in heard()] == [1]


def test_muted(declare_channel: Declare, hear: Any) -> None:
    heard = hear()
    with bus.muted():
        assert declare_channel()(room="lobby").publish(1).state == "muted"
    assert heard() == []


# --- publishers and tests


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("delivery", ["on_commit", "immediate"])
def test_a_publisher_may_name_a_channel(bus_settings: Settings, hear: Any, delivery: str) -> None:
    bus_settings(
        CHANNELS={"customer:{id}": {"HISTORY": 5}},
        PUBLISHERS={
            "c": {"MODEL": "tests_app.Customer", "TOPIC": "customer:{pk}", "FIELDS": ["name"], "DELIVERY": delivery}
        },
    )
    heard = hear("customer:*")
    ada = Customer.objects.create(name="Ada")
    [message] = heard()
    assert (message["data"], message["type"]) == ({"name": "Ada"}, "tests_app.customer.created")
    assert registry.address("default", f"customer:{ada.pk}").topic.name == "customer:{id}"


@pytest.mark.django_db(transaction=True)
def test_a_publisher_that_would_wait_in_the_outbox_says_so(
    bus_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    bus_settings(
        CHANNELS={"customers": {}},
        PUBLISHERS={"c": {"MODEL": "tests_app.Customer", "TOPIC": "customers", "DELIVERY": "outbox"}},
    )
    Customer.objects.create(name="Ada")
    assert "channel 'customers' is live" in caplog.text


def test_captured_messages_are_events(declare: Declare, declare_channel: Declare, bus_settings: Settings) -> None:
    bus_settings(LOCATION=NOWHERE)
    orders, chat = declare(), declare_channel(payload=OrderData, history=5)
    with capture_events() as captured:
        sent = chat(room="lobby").publish(OrderData(id=7), ephemeral=True)
        bus.publish_many([(orders, 1), (chat(room="x"), OrderData(id=8))])
    assert (sent.state, sent.receivers) == ("sent", 0)
    assert [(c.event.topic, c.event.data) for c in captured] == [
        ("chat:lobby", OrderData(id=7)),
        ("events:order", 1),
        ("chat:x", OrderData(id=8)),
    ]
    assert captured[0].event.ephemeral is True


def test_an_event_for_a_listener(declare_channel: Declare) -> None:
    chat = declare_channel(payload=OrderData)
    for topic in (chat(room="lobby"), "chat:lobby"):
        event = event_for(topic, OrderData(id=7), type="a.b", subject="s")
        assert (event.data, event.type, event.subject, event.topic) == (OrderData(id=7), "a.b", "s", "chat:lobby")


def test_an_isolated_bus_leaves_no_history(declare_channel: Declare, redis_client: redis.Redis) -> None:
    chat = declare_channel(history=5)
    with isolated_bus():
        chat(room="lobby").publish(1)
        prefix = bus.config.key_prefix
        assert redis_client.keys(f"*{prefix}*")
    assert redis_client.keys(f"*{prefix}*") == []


def test_threads_and_loops_publish_side_by_side(declare_channel: Declare, hear: Any) -> None:
    heard, room = hear(), declare_channel(history=1_000)(room="lobby")

    async def many() -> list[Published]:
        try:
            return await asyncio.gather(*(room.apublish(n) for n in range(50)))
        finally:
            await bus.clients.aclose()

    sent = asyncio.run(many())
    assert sorted(m["data"] for m in heard()) == list(range(50))
    assert sorted(int(str(p.offset).partition("-")[0]) for p in sent) == list(range(1, 51))
