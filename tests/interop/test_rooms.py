"""Rooms and other clients: what they publish reaches the browsers, and they hear what a browser says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.interop.conftest import Peer

pytest.importorskip("channels")

from django_redis_bus.access import anyone
from tests.relay.conftest import Browser, close_relay, person


@pytest.fixture
async def browser(declare_channel: Callable[..., Any]) -> AsyncIterator[Browser]:
    """A browser in the room chat:lobby."""
    declare_channel("chat:{room}", history=10, can_join=anyone, can_publish=anyone)
    made = await Browser(user=person(7, "ada")).connect()
    assert (await made.join("chat:lobby"))["do"] == "joined"
    yield made
    await made.close()
    await close_relay()


async def test_what_another_client_publishes_reaches_the_browser(other: Peer, browser: Browser, prefix: str) -> None:
    said = {"specversion": "1.0", "id": "6b1f", "source": "till", "type": "chat.said", "data": {"text": "Zoë"}}
    for body in (b"just text", b'{"n": 7}', json.dumps(said).encode(), b"\xff"):
        assert await asyncio.to_thread(other.publish, f"{prefix}:chat:lobby", body) == 1

    frames = [await browser.next() for _ in range(4)]

    assert {(frame["do"], frame["topic"]) for frame in frames} == {("event", "chat:lobby")}
    text, plain, event, raw = (frame["event"] for frame in frames)
    assert (text["data"], text["foreign"]) == ("just text", True)
    assert (plain["data"], plain["foreign"]) == ({"n": 7}, True)
    assert event == said
    assert (raw["data_base64"], raw["foreign"]) == ("/w==", True)


async def test_other_clients_hear_what_a_browser_says(other: Peer, browser: Browser, prefix: str) -> None:
    await asyncio.to_thread(other.subscribe, f"{prefix}:chat:lobby")

    published = await browser.ask("publish", topic="chat:lobby", data={"text": "hello"})

    [message] = await asyncio.to_thread(other.wait)
    event = json.loads(message.body)
    assert (event["id"], event["data"], event["authorid"]) == (published["event_id"], {"text": "hello"}, "7")
    assert event["offset"] == published["offset"]
