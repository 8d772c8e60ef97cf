"""The bridge: events of the bus in groups of real channel layers, and what happens when a layer is in trouble."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from django_redis_bus import Event
from django_redis_bus.relay.bridge import Bridge, cloud_event
from tests.servers import Server

channel_layers = pytest.importorskip("channels.layers")
pytest.importorskip("channels_redis")
LAYERS = {
    "RedisChannelLayer": "channels_redis.core.RedisChannelLayer",
    "RedisPubSubChannelLayer": "channels_redis.pubsub.RedisPubSubChannelLayer",
}


class Line(msgspec.Struct):
    product: str
    price: Decimal


def an_event(**attributes: Any) -> Event[Any]:
    return Event(**{"id": "1", "source": "shop", "type": "chat.said", "topic": "chat:lobby", "data": {}} | attributes)


def a_bridge(**options: Any) -> Bridge:
    return Bridge("chat:{room}", **{"group": None, "layer": "default", "type": "bus.event", "timeout_s": 5.0} | options)


@pytest.fixture
def use(settings: Any, prefix: str) -> Callable[..., Any]:
    """Set CHANNEL_LAYERS: use(server, "RedisChannelLayer") returns the layer."""

    def make(server: Server, name: str = "RedisChannelLayer") -> Any:
        host = {"address": server.url, "socket_timeout": None}
        entry = {"BACKEND": LAYERS[name], "CONFIG": {"hosts": [host], "prefix": prefix}}
        settings.CHANNEL_LAYERS = {"default": entry}
        return channel_layers.get_channel_layer()

    return make


@pytest.fixture(params=LAYERS)
async def layer(request: pytest.FixtureRequest, server: Server, use: Callable[..., Any]) -> AsyncIterator[Any]:
    made = use(server, request.param)
    yield made
    await made.flush()


async def received(layer: Any, channel: str) -> dict[str, Any]:
    message: dict[str, Any] = await asyncio.wait_for(layer.receive(channel), 5)
    return message


# --- what is sent


async def test_an_event_comes_to_its_group_and_to_no_other(layer: Any) -> None:
    # Given a consumer in each of two rooms
    lobby, cellar = await layer.new_channel(), await layer.new_channel()
    await layer.group_add("chat.lobby", lobby)
    await layer.group_add("chat.cellar", cellar)
    bridge = a_bridge()

    # When something is said in both
    for room, text in (("cellar", "down"), ("lobby", "hello")):
        await bridge.send(an_event(topic=f"chat:{room}", data={"text": text}))

    # Then each hears its own
    event = {"specversion": "1.0", "id": "1", "source": "shop", "type": "chat.said"}
    event |= {"datacontenttype": "application/json", "data": {"text": "hello"}}
    assert await received(layer, lobby) == {"type": "bus.event", "topic": "chat:lobby", "event": event}
    assert (await received(layer, cellar))["event"]["data"] == {"text": "down"}
    assert bridge.counts == {"sent": 2}


@pytest.mark.parametrize("data", [None, 7, "text", ["a", {"b": 1.5}], {"n": 2**63 - 1}])
async def test_data_comes_as_it_is(layer: Any, data: Any) -> None:
    channel = await layer.new_channel()
    await layer.group_add("chat.lobby", channel)

    await a_bridge().send(an_event(data=data))

    assert (await received(layer, channel))["event"]["data"] == data


def test_an_event_as_plain_values() -> None:
    event = an_event(
        data={"lines": [Line("tea", Decimal("3.10"))], "on": date(2026, 11, 23), 7: True},
        time_text="2026-11-23T05:00:00Z", subject="7", key="7", traceparent="00-a", correlation_id="c",
        causation_id="d", hops=2, extensions={"tenant": "a"}, epoch="k3f9", offset="42-7", ephemeral=True,
    )  # fmt: skip

    found = cloud_event(event)

    assert json.loads(json.dumps(found)) == found
    assert found == {
        "specversion": "1.0", "id": "1", "source": "shop", "type": "chat.said", "time": "2026-11-23T05:00:00Z",
        "subject": "7", "partitionkey": "7", "traceparent": "00-a", "correlationid": "c", "causationid": "d", "hops": 2,
        "tenant": "a", "datacontenttype": "application/json",
        "data": {"lines": [{"product": "tea", "price": "3.10"}], "on": "2026-11-23", "7": True},
        "epoch": "k3f9", "offset": "42-7", "ephemeral": True,
    }  # fmt: skip


def test_bytes_are_data_base64() -> None:
    found = cloud_event(an_event(source="", type="", data=b"\xff\x00", foreign=True))

    assert (found["data_base64"], found["foreign"]) == ("/wA=", True)
    assert "data" not in found


# --- a layer in trouble


async def test_a_layer_without_its_redis_costs_its_messages_and_nothing_else(
    own_server: Callable[..., Server], use: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    # Given a layer whose server dies
    server = own_server()
    layer = use(server)
    bridge = a_bridge(timeout_s=0.3)
    await bridge.send(an_event())
    server.kill()

    # When events come, more than one
    with caplog.at_level(logging.INFO, "django_redis_bus.bridge"):
        for _ in range(5):
            await bridge.send(an_event())

        # Then nothing is raised, it is counted, and said once
        assert bridge.counts == {"sent": 1, "lost": 5}
        [record] = caplog.records
        assert record.getMessage().startswith("1 lost for channel layer 'default', the last of them of chat:lobby: ")
        caplog.clear()

        # And when the server is back, so are the messages
        server.start()
        channel = await layer.new_channel()
        await layer.group_add("chat.lobby", channel)
        await bridge.send(an_event(id="back"))

    assert (await received(layer, channel))["event"]["id"] == "back"
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "takes messages again" in caplog.text
    assert "4 more lost" in caplog.text
    await layer.flush()


@pytest.mark.parametrize("name", LAYERS)
async def test_a_frozen_layer_is_not_waited_for(
    own_server: Callable[..., Server], use: Callable[..., Any], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = own_server()
    layer = use(server, name)
    bridge = a_bridge(timeout_s=0.3)
    await bridge.send(an_event())

    server.freeze()
    async with asyncio.timeout(5):
        await bridge.send(an_event())
    server.thaw()
    await bridge.send(an_event())

    assert bridge.counts == {"sent": 2, "lost": 1}
    assert "chat:lobby: no answer in 0.3 s" in caplog.text
    await layer.flush()


@pytest.mark.parametrize(
    ("options", "event"),
    [
        ({"layer": "chat"}, an_event()),  # no such alias
        ({}, an_event(data={"n": 2**70})),  # MessagePack has no such number
        ({}, an_event(data={"x": object()})),
        ({"group": lambda event: event.data["room"]}, an_event()),
        ({"group": lambda event: None}, an_event()),
    ],
    ids=["layer", "number", "object", "raises", "no name"],
)
async def test_an_event_that_cannot_be_sent_is_lost_alone(
    use: Callable[..., Any],
    server: Server,
    options: dict[str, Any],
    event: Event[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    layer = use(server)
    bridge = a_bridge(**options)
    await layer.group_add("chat.lobby", await layer.new_channel())  # else nothing would be encoded

    await bridge.send(event)

    assert bridge.counts == {"lost": 1}
    assert "1 lost" in caplog.text
    await layer.flush()
