"""Clients that ask for more than they read, or more often than they may."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from django_redis_bus.access import anyone
from django_redis_bus.bus import buses
from django_redis_bus.relay.connection import Connection

from .conftest import person


@pytest.fixture(autouse=True)
def chat(channel: Any) -> Any:
    return channel("chat:{room}", payload=dict[str, str], history=10, can_join=anyone)


@pytest.mark.parametrize(
    "text",
    ['{"do":"dance"}', '{"do":"ping","id":true}', json.dumps({"do": "ping", "id": 1, "x": "y" * 20_000})],
    ids=["unknown", "id", "large"],
)
async def test_a_flood_of_nonsense_is_ended_too(bus_settings: Any, browser: Any, text: str) -> None:
    bus_settings(RELAY={"rate": 1, "burst": 5, "rooms": 5})
    ada = await browser()

    for _ in range(60):
        await ada.socket.send_to(text_data=text)

    answers = [(await ada.next())["code"] for _ in range(11)]
    assert len(set(answers[:10])) == 1
    assert answers[10] == "too_fast"
    assert await ada.close_code() == 4429


async def test_who_does_not_read_is_given_one_long_answer_at_a_time(browser: Any, chat: Any) -> None:
    # Given a history worth a long answer, and a socket that nobody reads
    for _ in range(10):
        await chat(room="a").apublish({"text": "x" * 15_000})
    sending, asked = asyncio.Event(), []

    async def send(message: Any) -> None:
        asked.append(message)
        await sending.wait()

    eve = Connection(buses["default"], {"headers": []}, person(1, "eve"), send, lambda code: None)
    eve.welcome()
    await eve.take('{"do":"join","topic":"chat:a","history":10}')
    longest = eve.outgoing.characters
    assert longest > 100_000

    # When it asks once more
    again = asyncio.create_task(eve.take('{"do":"join","topic":"chat:a","history":10}'))
    await asyncio.sleep(0.2)

    # Then nothing more is made for it before the first is read
    assert not again.done()
    assert eve.outgoing.characters == longest
    sending.set()
    await asyncio.wait_for(again, 5)
    await asyncio.sleep(0)
    assert [json.loads(each["text"])["do"] for each in asked] == ["welcome", "joined", "joined"]
    eve.gone()
