"""bridge() as a project declares it: what it refuses, where events go, and old consumers behind listen_pattern."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage

from django_redis_bus import Channel, ConfigurationError, Stream, bus, registry
from django_redis_bus.checks.channel_layers import check_channel_layers
from django_redis_bus.relay.bridge import bridge
from django_redis_bus.relay.groups import group_name, legal
from tests.faults.fleet import Command, wait_for

channel_layers = pytest.importorskip("channels.layers")
pytest.importorskip("channels_redis")
MEMORY = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bridges of one test are no listeners of another."""
    monkeypatch.setattr(registry, "_listeners", {})
    monkeypatch.setattr("django_redis_bus.relay.bridge._groups", {})


@pytest.fixture
def chat(declare_channel: Callable[..., Channel[Any]]) -> Channel[Any]:
    return declare_channel("chat:{room}")


@pytest.fixture
async def layer(settings: Any, chat: Channel[Any]) -> AsyncIterator[Any]:
    """A layer in memory, which is enough where the bridge runs in the test's own process."""
    settings.CHANNEL_LAYERS = MEMORY
    yield channel_layers.get_channel_layer()
    await bus.aclose()


async def start() -> None:
    for listener in registry.listeners("default"):
        await bus.start_listener(listener)


async def in_group(layer: Any, name: str) -> str:
    channel: str = await layer.new_channel()
    await layer.group_add(name, channel)
    return channel


async def received(layer: Any, channel: str) -> Any:
    return await asyncio.wait_for(layer.receive(channel), 5)


# --- where it goes


@pytest.mark.parametrize(
    ("group", "name"),
    [
        (None, "chat.lobby"),
        ("chat_{room}", "chat_lobby"),
        ("{room}.{room}", "lobby.lobby"),
        ("everybody", "everybody"),
        (lambda event: f"user-{event.data['user']}", "user-7"),
        (lambda event: f"user:{event.data['user']}", legal("user:7")),
    ],
    ids=["default", "placeholder", "twice", "fixed", "function", "function, illegal"],
)
async def test_the_group(layer: Any, chat: Channel[Any], group: Any, name: str) -> None:
    channel = await in_group(layer, name)
    made = bridge(chat, group=group)
    await start()

    published = await chat(room="lobby").apublish({"user": 7}, type="chat.said")

    message = await received(layer, channel)
    assert (message["type"], message["topic"]) == ("bus.event", "chat:lobby")
    assert (message["event"]["id"], message["event"]["data"]) == (published.event_id, {"user": 7})
    await asyncio.to_thread(wait_for, lambda: made.counts == {"sent": 1})


async def test_a_value_that_channels_refuses_is_hashed_as_the_consumer_hashes_it(
    layer: Any, chat: Channel[Any]
) -> None:
    by_topic, by_text = await in_group(layer, group_name("chat:Zoë")), await in_group(layer, legal("chat_Zoë"))
    bridge(chat)
    bridge(chat, group="chat_{room}")
    await start()

    await chat(room="Zoë").apublish(1)

    assert (await received(layer, by_topic))["event"]["data"] == 1
    assert (await received(layer, by_text))["event"]["data"] == 1


@pytest.mark.parametrize("topic", ["bound", "chat:lobby", "chat:l*"])
async def test_a_part_of_the_topics(layer: Any, chat: Channel[Any], topic: str) -> None:
    channel = await in_group(layer, "all")
    made = bridge(chat(room="lobby") if topic == "bound" else topic, group="all", type="chat.message")
    await start()

    await chat(room="cellar").apublish("not this")
    await chat(room="lobby").apublish("this")

    message = await received(layer, channel)
    assert (message["type"], message["event"]["data"]) == ("chat.message", "this")
    await asyncio.to_thread(wait_for, lambda: made.counts == {"sent": 1})


async def test_who_comes_and_goes_goes_there_if_asked(layer: Any, chat: Channel[Any]) -> None:
    channel = await in_group(layer, "all")
    bridge(chat, group="all")
    bridge(chat, group="all", type="chat.presence", presence=True)
    await start()

    await chat(room="lobby").apublish({"member": {"id": "7"}}, type="bus.presence.joined", ephemeral=True)
    assert (await received(layer, channel))["type"] == "chat.presence"
    await chat(room="lobby").apublish("hi")

    assert {(await received(layer, channel))["event"]["data"] for _ in range(2)} == {"hi"}


async def test_what_other_programs_publish_goes_there_too(layer: Any, redis_client: Any, prefix: str) -> None:
    channel = await in_group(layer, "orders")
    bridge("orders:*", group="orders")
    await start()

    redis_client.publish(f"{prefix}:orders:7", b"\xff")

    event = (await received(layer, channel))["event"]
    assert (event["data_base64"], event["foreign"], event["source"]) == ("/w==", True, "")


async def test_a_bridge_in_trouble_does_not_stop_the_other(layer: Any, chat: Channel[Any]) -> None:
    channel = await in_group(layer, "chat.lobby")
    bad, good = bridge(chat, group=lambda event: event.data["no"]), bridge(chat)
    await start()

    for n in range(3):
        await chat(room="lobby").apublish({"n": n})

    assert [(await received(layer, channel))["event"]["data"]["n"] for _ in range(3)] == [0, 1, 2]
    await asyncio.to_thread(wait_for, lambda: good.counts == {"sent": 3})
    await asyncio.to_thread(wait_for, lambda: bad.counts == {"lost": 3})


def test_each_bridge_of_a_channel_is_one_more(chat: Channel[Any]) -> None:
    for _ in range(2):  # a module that is imported again declares the same ones
        for group in (None, "a", "b", lambda event: "c", lambda event: "d"):
            bridge(chat, group=group)
        bridge(chat, group="a", layer="other")

    names = [listener.name.partition(": ")[2] for listener in registry.listeners("default")]
    assert names == [
        "bridge of 'chat:{room}' to its own group of layer 'default'",
        "bridge of 'chat:{room}' to 'a' of layer 'default'",
        "bridge of 'chat:{room}' to 'b' of layer 'default'",
        "bridge of 'chat:{room}' to test_each_bridge_of_a_channel_is_one_more.<locals>.<lambda> of layer 'default'",
        "bridge of 'chat:{room}' to test_each_bridge_of_a_channel_is_one_more.<locals>.<lambda> of layer 'default' (2)",
        "bridge of 'chat:{room}' to 'a' of layer 'other'",
    ]


# --- mistakes


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"group": "chat_{rom}"}, "{rom} in group is no placeholder of the channel; there are: room."),
        ({"group": "{room.__class__}"}, "{room.__class__} in group is no placeholder"),
        ({"group": "{room!r}"}, "{room!r} in group is no placeholder"),
        ({"type": "_hidden"}, "type '_hidden' names no method of a consumer"),
        ({"type": "chat message"}, "type 'chat message' names no method"),
        ({"type": ""}, "type '' names no method"),
        ({"timeout_s": 0}, "timeout_s is a number of seconds above 0"),
        ({"queue": 0}, "queue is the most messages that wait"),
        ({"overflow": "wait"}, "overflow is one of"),
    ],
)
def test_arguments_that_cannot_work(chat: Channel[Any], options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        bridge(chat, **options)

    assert text in str(caught.value)
    assert f"{__name__} line " in str(caught.value)
    assert registry.listeners("default") == []


def test_placeholders_of_a_pattern_are_not_known(chat: Channel[Any]) -> None:
    with pytest.raises(
        ConfigurationError, match=r"\{room\} in group is no placeholder of the channel; there are: none"
    ):
        bridge("chat:*", group="chat_{room}")


def test_a_stream_is_refused(declare: Callable[..., Stream[Any]]) -> None:
    with pytest.raises(ConfigurationError, match="is a stream"):
        bridge(declare("events:order"))


# --- checks


def only() -> CheckMessage:
    [message] = check_channel_layers(["default"])
    return message


def test_e165(settings: Any, chat: Channel[Any]) -> None:
    settings.CHANNEL_LAYERS = {"chat": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer"}}
    bridge(chat, group="chat_{room}", layer="chats")

    message = only()

    assert message.id == "bus.E165"
    assert (
        "bridge of 'chat:{room}' to 'chat_{room}' of layer 'chats': CHANNEL_LAYERS has no layer 'chats'" in message.msg
    )
    assert message.hint == "Did you mean 'chat'?"


def test_e165_without_any_layer(settings: Any, chat: Channel[Any]) -> None:
    settings.CHANNEL_LAYERS = {}
    bridge(chat)

    assert only().id == "bus.E165"
    assert "CHANNEL_LAYERS = " in (only().hint or "")


def test_w126(settings: Any, chat: Channel[Any]) -> None:
    settings.CHANNEL_LAYERS = MEMORY
    bridge(chat)

    message = only()

    assert message.id == "bus.W126"
    assert not message.is_serious()
    assert "does not leave the process" in message.msg
    assert "RedisPubSubChannelLayer" in (message.hint or "")


def test_a_bridge_over_redis_has_nothing_to_hear(settings: Any, chat: Channel[Any]) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer"}}
    bridge(chat)

    assert check_channel_layers(["default"]) == []


# --- with old consumers


@pytest.mark.slow
async def test_an_old_consumer_hears_the_bus_through_a_listen_pattern_process(
    settings: Any, chat: Channel[Any], process_env: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    from channels.generic.websocket import AsyncJsonWebsocketConsumer
    from channels.testing import WebsocketCommunicator

    from tests.relay import bridge_settings

    # Given a consumer as Channels' own tutorial writes it
    class ChatConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
        async def connect(self) -> None:
            await self.channel_layer.group_add("chat_lobby", self.channel_name)
            await self.accept()

        async def chat_message(self, message: dict[str, Any]) -> None:
            await self.send_json(message["event"]["data"])

    layers = bridge_settings.CHANNEL_LAYERS
    env = process_env(DJANGO_SETTINGS_MODULE="tests.relay.bridge_settings", BUS_TEST_IMPORT="tests.relay.bridged")
    layers["default"]["CONFIG"] |= {
        "hosts": [{"address": env["BUS_TEST_URL"], "socket_timeout": None}],
        "prefix": f"{env['BUS_TEST_PREFIX']}:layer",
    }
    settings.CHANNEL_LAYERS = layers
    socket = WebsocketCommunicator(ChatConsumer.as_asgi(), "/ws/chat/lobby/")
    assert (await socket.connect())[0]
    command = Command(["listen_pattern"], env, tmp_path / "output")
    try:
        # When the bus says something
        await asyncio.to_thread(command.said, "tests.relay.bridged line ", 2)
        await chat(room="cellar").apublish({"text": "not this"})
        await chat(room="lobby").apublish({"text": "hello"})

        # Then the browser gets it
        assert await socket.receive_json_from(timeout=10) == {"text": "hello"}
        assert await asyncio.to_thread(command.stop) == 0
        assert "2 delivered" in command.output
    finally:
        command.close()
        await socket.disconnect()
        await channel_layers.get_channel_layer().flush()
        await bus.aclose()
