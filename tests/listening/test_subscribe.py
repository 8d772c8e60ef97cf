"""bus.subscribe, psubscribe, listen: handlers, what they are given, and who is refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from django_redis_bus import Bus, ConfigurationError, Event, Stream, registry
from tests.listening.conftest import Publish, until

Declare = Callable[..., Any]


@dataclass
class Chat:
    text: str


@pytest.fixture
def got() -> list[Any]:
    return []


async def test_a_handler_gets_events_until_it_is_unsubscribed(bus: Bus, publish: Publish, got: list[Any]) -> None:
    async def note(event: Event[Any]) -> None:
        got.append(event)

    subscription = await bus.subscribe("chat:lobby", note)
    await publish("chat:lobby", '{"type":"chat","text":"hi"}', "plain", b"\xff")
    await until(lambda: len(got) == 3)
    await bus.unsubscribe(subscription)
    await publish("chat:lobby", "late")

    assert [event.data for event in got] == [{"type": "chat", "text": "hi"}, "plain", b"\xff"]
    assert (got[0].type, got[0].topic, got[0].foreign) == ("chat", "chat:lobby", True)
    assert bus.live.counts["delivered"] == 3
    assert "chat:lobby" in repr(subscription)


async def test_a_def_handler_runs_in_a_thread(bus: Bus, publish: Publish, got: list[Any]) -> None:
    await bus.subscribe("a", lambda event: got.append(threading.current_thread() is threading.main_thread()))
    await publish("a", "1")
    await until(lambda: got == [False])


async def test_a_channel_gives_its_parameters_and_payload(
    bus: Bus, declare_channel: Declare, publish: Publish, got: list[Any]
) -> None:
    chat = declare_channel("tenant:{tenant}:room:{room}", parameters={"room": int}, payload=Chat)

    async def note(event: Event[Chat], room: int) -> None:
        got.append((event.data, room))

    await bus.subscribe(chat, note)
    await publish("tenant:acme:room:x", '{"text":"no room"}')
    await publish("tenant:acme:room:7:8", '{"text":"another topic"}')
    await publish("tenant:acme:room:007", '{"text":"no name of 7"}')
    await publish("tenant:acme:room:7", '{"txt":"not the payload"}', '{"text":"hi"}')

    await until(lambda: got)
    assert got == [(Chat("hi"), 7)]
    assert bus.live.counts["unreadable"] == 1
    assert bus.live.counts["delivered"] == 1


async def test_a_bound_channel_is_one_name(
    bus: Bus, declare_channel: Declare, publish: Publish, got: list[Any]
) -> None:
    chat = declare_channel("chat:{room}")
    await bus.subscribe(chat(room="lobby"), lambda event, room: got.append((event.data, room)))

    await publish("chat:other", "no")
    await publish("chat:lobby", "yes")

    await until(lambda: got)
    assert got == [("yes", "lobby")]


async def test_a_declared_name_with_placeholders_is_its_channel(
    bus: Bus, declare_channel: Declare, publish: Publish, got: list[Any]
) -> None:
    declare_channel("chat:{room}")
    await bus.subscribe("chat:{room}", lambda event: got.append(event.topic))
    await bus.subscribe("other:{room}", lambda event: got.append(event.topic))

    await publish("chat:lobby", "1")
    await publish("other:lobby", "no channel of ours")
    await publish("other:{room}", "2")

    await until(lambda: len(got) == 2)
    assert sorted(got) == ["chat:lobby", "other:{room}"]


async def test_what_a_channel_publishes_is_heard_whole(bus: Bus, declare_channel: Declare, got: list[Any]) -> None:
    chat = declare_channel("chat:{room}", payload=Chat, history=5)
    await bus.subscribe(chat, lambda event: got.append(event))

    published = await chat(room="lobby").apublish(Chat("hi"), type="chat.said", key="k")

    await until(lambda: got)
    [event] = got
    assert published.receivers == 1
    assert (event.id, event.type, event.data, event.key) == (published.event_id, "chat.said", Chat("hi"), "k")
    assert (event.epoch, event.offset) == (published.epoch, published.offset)


async def test_by_name_it_is_read_as_what_is_declared(
    bus: Bus, declare_channel: Declare, publish: Publish, got: list[Any]
) -> None:
    declare_channel("chat:{room}", payload=Chat)
    await bus.psubscribe("*", lambda event: got.append(event.data))

    await publish("chat:lobby", '{"text":"hi"}')
    await publish("other", '{"text":"hi"}')

    await until(lambda: len(got) == 2)
    assert got == [Chat("hi"), {"text": "hi"}]


async def test_two_listeners_of_one_pattern_each_get_all(bus: Bus, publish: Publish) -> None:
    one: list[Any] = []
    two: list[Any] = []

    def fail(event: Event[Any]) -> None:
        raise ValueError("no")

    await bus.psubscribe("a*", lambda event: one.append(event.data))
    await bus.psubscribe("a*", fail)
    await bus.psubscribe("*", lambda event: two.append(event.data))
    await publish("ab", *"123")

    await until(lambda: one == two == [1, 2, 3])
    await until(lambda: bus.live.counts["failed"] == 3)


async def test_values_that_must_not_be_shown_are_not_logged(
    bus: Bus, declare_channel: Declare, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    declare_channel("chat:{room}", redact=["text"])

    def fail(event: Event[Any]) -> None:
        raise ValueError(event.data["text"])

    await bus.psubscribe("chat:*", fail)
    await publish("chat:lobby", '{"text":"hunter2"}')

    await until(lambda: caplog.records)
    assert "[redacted]" in caplog.text
    assert "hunter2" not in caplog.text


async def test_a_listener_may_unsubscribe_itself(bus: Bus, publish: Publish, got: list[Any]) -> None:
    async def once(event: Event[Any]) -> None:
        got.append(event.data)
        await bus.unsubscribe(subscription)

    subscription = await bus.subscribe("a", once)
    await publish("a", "1", "2")

    await until(lambda: not bus._here().subscriptions)
    await asyncio.sleep(0.05)
    assert got == [1]


# --- mistakes


async def test_what_cannot_be_subscribed_is_told(bus: Bus, declare: Declare, declare_channel: Declare) -> None:
    def handler(event: Event[Any]) -> None: ...

    def takes_two(event: Event[Any], more: str) -> None: ...

    def yields(event: Event[Any]) -> Any:
        yield event

    stream: Stream[Any] = declare("events:order")
    elsewhere = declare_channel("eu:{x}", bus="eu")
    wrong: list[tuple[Any, Any, str]] = [
        ("chat:*", handler, "'chat:\\*' is a pattern and no name: use psubscribe"),
        ("", handler, "is no topic"),
        (7, handler, "7 is no topic"),
        (stream, handler, "is a stream. Listeners hear channels"),
        (elsewhere, handler, r"listen with buses\['eu'\]"),
        ("a", takes_two, "cannot be called with an event: missing a required argument: 'more'"),
        ("a", yields, "has a yield"),
    ]
    for topic, fn, what in wrong:
        with pytest.raises(ConfigurationError, match=what):
            await bus.subscribe(topic, fn)
    with pytest.raises(ConfigurationError, match="on_gap cannot be called with one Gap"):
        await bus.subscribe("a", handler, on_gap=lambda: None)  # type: ignore[misc, arg-type]
    with pytest.raises(ConfigurationError, match="is no pattern"):
        await bus.psubscribe("", handler)
    with pytest.raises(ConfigurationError, match="at least one topic"):
        async for _ in bus.listen():
            pass
    with pytest.raises(ConfigurationError, match="overflow is one of"):
        async for _ in bus.listen("a", overflow="no"):  # type: ignore[arg-type]
            pass
    assert bus._heres is None or bus.live._runner is None


# --- registered listeners


async def test_a_bound_listener_is_registered_and_started(
    bus: Bus, declare_channel: Declare, publish: Publish, got: list[Any]
) -> None:
    chat = declare_channel("chat:{room}", parameters={"room": str})

    @chat.listener(queue=7, overflow="coalesce")
    async def moderate(event: Event[Any], room: str) -> None:
        got.append((event.data, room))

    [listener] = registry.listeners("default")
    assert (listener.channel, listener.parameters, listener.queue) == ("chat:{room}", ("room",), 7)
    assert listener.is_async
    assert listener.name.endswith("moderate")

    await bus.start_listener(listener)
    await publish("chat:lobby", "hi")

    await until(lambda: got == [("hi", "lobby")])


def test_two_listeners_of_one_name_are_a_mistake(declare_channel: Declare) -> None:
    chat = declare_channel("chat:{room}")

    def make() -> Callable[[Any], None]:
        def it(event: Any) -> None: ...

        return it

    def make_another() -> Callable[[Any], None]:
        def it(event: Any) -> None: ...

        it.__qualname__ = make().__qualname__
        return it

    chat.listener()(make())
    chat.listener()(make())
    with pytest.raises(ConfigurationError, match="two listeners are called"):
        chat.listener()(make_another())


@pytest.fixture
async def leftovers(bus: Bus) -> AsyncIterator[None]:
    """After the test, nothing of the bus is left on its event loop."""
    yield
    await bus.aclose()
    assert [t for t in asyncio.all_tasks() if "listen" in t.get_name()] == []


async def test_closing_the_bus_ends_everything(bus: Bus, leftovers: None, publish: Publish, got: list[Any]) -> None:
    for topic in "abc":
        await bus.subscribe(topic, lambda event: got.append(event.data), overflow="block")
        await bus.subscribe(topic, lambda event: got.append(event.data))

    await bus.aclose()
    await publish("a", "late")

    assert got == []
    subscription = await bus.subscribe("a", lambda event: got.append(event.data))
    await publish("a", "1")
    await until(lambda: got == [1])
    await subscription.close()
