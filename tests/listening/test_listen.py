"""bus.listen: events and gaps, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from django_redis_bus import Bus
from tests.listening.conftest import Publish, until

Declare = Callable[..., Any]


@dataclass
class Chat:
    text: str


@pytest.fixture
def got() -> list[Any]:
    return []


async def test_listen_yields_events_of_names_and_patterns(
    bus: Bus, declare_channel: Declare, publish: Publish, got: list[Any]
) -> None:
    chat = declare_channel("chat:{room}", payload=Chat)
    listening = bus.listen(chat(room="lobby"), "order:*", "exact")

    async def collect() -> None:
        async for item in listening:
            got.append(item)
            if len(got) == 3:
                break
        await listening.aclose()  # type: ignore[attr-defined]

    collecting = asyncio.create_task(collect())
    await until(lambda: bus.live.is_connected and bus.live._attachments)
    await publish("chat:other", '{"text":"no"}')
    await publish("chat:lobby", '{"no":1}', '{"text":"hi"}')
    await publish("order:7", "1")
    await publish("exact", "2")

    await asyncio.wait_for(collecting, 5)
    assert [event.data for event in got] == [Chat("hi"), 1, 2]
    assert bus.live.counts["unreadable"] == 1
    await until(lambda: bus.live._runner is None)


async def test_listen_ends_with_its_task(bus: Bus) -> None:
    async def collect() -> None:
        async for _ in bus.listen("a"):
            pass

    collecting = asyncio.create_task(collect())
    await until(lambda: bus.live.is_connected and bus.live._attachments)
    collecting.cancel()
    await asyncio.wait([collecting])

    await until(lambda: bus.live._runner is None)


@pytest.mark.parametrize(
    "topics",
    [("chat:{room}",), ("chat:*",), ("chat:*", "chat:{room}"), ("chat:{room}", "chat:*"), ("{room}", "chat:*")],
)
async def test_listen_to_overlapping_topics_yields_each_once(
    bus: Bus, declare_channel: Declare, publish: Publish, got: list[Any], topics: tuple[str, ...]
) -> None:
    made = [declare_channel(name) if "{" in name else name for name in topics]

    async def collect() -> None:
        async for item in bus.listen(*made):
            got.append(item.data)  # noqa: PERF401

    collecting = asyncio.create_task(collect())
    await until(lambda: bus.live.is_connected and bus.live._attachments)
    await publish("chat:a", "1")
    await publish("chat:a:b", "2")
    await publish("chat:b", "3")

    await until(lambda: "3" in map(str, got))
    assert got == ([1, 2, 3] if "chat:*" in topics else [1, 3])
    collecting.cancel()
    await asyncio.wait([collecting])


# --- who comes and goes


JOINED = (
    '{"specversion":"1.0","id":"a-1","source":"shop","type":"bus.presence.joined","datacontenttype":"application/json",'
    '"data":{"member":{"id":"7"}},"ephemeral":true}'
)


async def test_who_comes_and_goes_is_heard_by_who_asks(
    bus: Bus, declare_channel: Callable[..., Any], publish: Publish, got: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    chat = declare_channel(payload=dict[str, int])
    asked: list[Any] = []
    ready: list[bool] = []

    async def hear(presence: bool, heard: list[Any]) -> None:
        def take(event: Any) -> None:
            heard.append(event.type or event.data)

        await bus.subscribe(chat, take, presence=presence)
        await bus.psubscribe("chat:*", take, presence=presence, overflow="coalesce")
        async for item in bus.listen(chat, presence=presence, on_ready=lambda: ready.append(presence)):
            take(item)

    tasks = [asyncio.create_task(hear(*each)) for each in ((False, got), (True, asked))]
    await until(lambda: len(ready) == 2)
    await publish("chat:lobby", '{"n":1}')
    await until(lambda: (len(got), len(asked)) == (3, 3))
    await publish("chat:lobby", JOINED)
    await until(lambda: len(asked) == 6)
    await publish("chat:lobby", '{"n":2}')
    await until(lambda: (len(got), len(asked)) == (6, 9))
    for task in tasks:
        task.cancel()

    assert got == [{"n": 1}] * 3 + [{"n": 2}] * 3
    assert asked[3:6] == ["bus.presence.joined"] * 3
    assert bus.live.counts["unreadable"] == 0
    assert caplog.messages == []
