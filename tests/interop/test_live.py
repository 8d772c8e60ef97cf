"""Channels both ways: what other clients publish is heard here, and they hear what the bus publishes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from django_redis_bus import Event, bus
from tests.faults.fleet import Command, wait_for
from tests.interop.conftest import Peer
from tests.interop.peers import Heard

SAID = {
    "specversion": "1.0",
    "id": "6b1f",
    "source": "till",
    "type": "chat.said",
    "time": "2026-11-22T08:00:00Z",
    "tenant": "a",
    "datacontenttype": "application/json",
    "data": {"text": "Grüße, Zoë"},
}
BODIES = [b"just text, Zo\xc3\xab", b'{"type": "chat.said", "n": 7}', json.dumps(SAID).encode(), b"\xff\x00\xfe"]


def check(events: list[Any]) -> None:
    """The four events that BODIES are."""
    text, plain, said, raw = events
    assert [event.foreign for event in events] == [True, True, False, True]
    assert (text.type, text.data) == ("", "just text, Zoë")
    assert (plain.type, plain.data) == ("chat.said", {"type": "chat.said", "n": 7})
    assert (said.id, said.source, said.type, said.data) == ("6b1f", "till", "chat.said", SAID["data"])
    assert (said.time_text, said.extensions) == (SAID["time"], {"tenant": "a"})
    assert (raw.type, raw.data) == ("", b"\xff\x00\xfe")
    assert {event.topic for event in events} == {"chat:lobby"}


@pytest.fixture
async def heard(chat: Any) -> AsyncIterator[Callable[..., Any]]:
    """Subscribe: heard("chat:*", pattern=True) returns the list that its events come into."""
    subscriptions = []

    async def listen(name: Any, *, pattern: bool = False) -> list[Event[Any]]:
        got: list[Event[Any]] = []
        subscribe = bus.psubscribe if pattern else bus.subscribe
        subscriptions.append((await subscribe(name, got.append), pattern))
        return got

    yield listen
    for subscription, pattern in subscriptions:
        await (bus.punsubscribe if pattern else bus.unsubscribe)(subscription)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


# --- from them


@pytest.mark.parametrize(("name", "pattern"), [("chat:lobby", False), ("chat:*", True)])
async def test_what_another_client_publishes_comes_to_subscribers(
    other: Peer, heard: Callable[..., Any], prefix: str, name: str, pattern: bool
) -> None:
    got = await heard(name, pattern=pattern)

    receivers = [await asyncio.to_thread(other.publish, f"{prefix}:chat:lobby", body) for body in BODIES]
    await until(lambda: len(got) == len(BODIES))

    check(got)
    assert receivers == [1] * len(BODIES)


async def test_a_loop_over_a_declared_channel_hears_other_clients(other: Peer, chat: Any, prefix: str) -> None:
    got = []

    async def publish() -> None:
        await until(lambda: other.publish(f"{prefix}:chat:lobby", BODIES[0]))
        for body in BODIES[1:]:
            other.publish(f"{prefix}:chat:lobby", body)

    publishing = asyncio.create_task(publish())
    async with asyncio.timeout(20):
        async for event in bus.listen(chat(room="lobby")):
            got.append(event)
            if len(got) == len(BODIES):
                break
    await publishing

    check(got)


@pytest.mark.slow
def test_listen_pattern_prints_what_another_client_publishes(
    other: Peer, process_env: Callable[..., dict[str, str]], prefix: str, tmp_path: Path
) -> None:
    command = Command(
        ["listen_pattern", "chat:*", "--json", "--count", str(len(BODIES))], process_env(), tmp_path / "output"
    )
    try:
        wait_for(lambda: other.publish(f"{prefix}:chat:lobby", BODIES[0]) or command.process.poll() is not None)
        for body in BODIES[1:]:
            other.publish(f"{prefix}:chat:lobby", body)
        assert command.end() == 0, command.output
    finally:
        command.close()

    lines = [json.loads(line) for line in command.output.splitlines() if line.startswith("{")]
    assert [line["topic"] for line in lines] == ["chat:lobby"] * len(BODIES)
    assert [line.get("data") for line in lines] == ["just text, Zoë", {"type": "chat.said", "n": 7}, SAID["data"], None]
    assert (lines[2]["id"], lines[3]["data_base64"]) == ("6b1f", "/wD+")


# --- to them


async def test_other_clients_hear_what_the_bus_publishes(other: Peer, chat: Any, prefix: str) -> None:
    # Given a client with a name and a pattern
    await asyncio.to_thread(other.subscribe, f"{prefix}:chat:lobby")
    await asyncio.to_thread(other.psubscribe, f"{prefix}:chat:*")

    # When the bus publishes there
    published = await chat(room="lobby").apublish({"text": "Grüße, Zoë"}, type="chat.said", extensions={"tenant": "a"})

    # Then it has the event by each, as a structured CloudEvent
    assert published.receivers == 2
    messages = await asyncio.to_thread(other.wait, 2)
    channel = f"{prefix}:chat:lobby"
    assert {(m.channel, m.pattern) for m in messages} == {(channel, None), (channel, f"{prefix}:chat:*")}
    [body] = {message.body for message in messages}
    event = json.loads(body)
    assert event.pop("time")
    assert event == {
        "specversion": "1.0",
        "id": published.event_id,
        "source": "tests",
        "type": "chat.said",
        "tenant": "a",
        "datacontenttype": "application/json",
        "data": {"text": "Grüße, Zoë"},
        "epoch": published.epoch,
        "offset": published.offset,
    }


async def test_the_history_is_a_stream_of_what_was_published(other: Peer, chat: Any, prefix: str) -> None:
    published = [await chat(room="lobby").apublish({"n": n}) for n in range(2)]

    entries = await asyncio.to_thread(other.xrange, f"{{{prefix}:chat:lobby}}:history")

    assert [entry_id for entry_id, _ in entries] == [each.offset for each in published]
    assert [json.loads(fields["e"])["data"] for _, fields in entries] == [{"n": 0}, {"n": 1}]


@pytest.mark.parametrize(("one", "another"), [("redis", "ioredis"), ("ioredis", "redis"), ("redis", "redis-cli")])
async def test_a_client_answers_another_through_a_handler_of_ours(
    connect: Callable[[str], Peer], chat: Any, heard: Callable[..., Any], prefix: str, one: str, another: str
) -> None:
    # Given a handler that answers in another room
    speaker, hearer = await asyncio.to_thread(connect, one), await asyncio.to_thread(connect, another)
    await asyncio.to_thread(hearer.subscribe, f"{prefix}:chat:answers")
    got = await heard(chat(room="questions"))

    # When one client asks
    await asyncio.to_thread(speaker.publish, f"{prefix}:chat:questions", b'{"ask": 6}')
    await until(lambda: got)
    await chat(room="answers").apublish({"answer": got[0].data["ask"] * 7})

    # Then the other has the answer
    [answer] = await asyncio.to_thread(hearer.wait)
    assert isinstance(answer, Heard)
    assert json.loads(answer.body)["data"] == {"answer": 42}
