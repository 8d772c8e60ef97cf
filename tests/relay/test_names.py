"""Odd names of topics: text from a browser is matched against declarations, and is never a pattern."""

from __future__ import annotations

from typing import Any

import pytest

from django_redis_bus.access import anyone
from django_redis_bus.revoking import CONTROL


@pytest.fixture(autouse=True)
def chat(channel: Any) -> Any:
    return channel("chat:{room}", payload=dict[str, str], history=10, can_join=anyone, can_publish=anyone)


@pytest.mark.parametrize(
    "topic",
    [
        "*",
        "chat:*",
        "chat:[a-z]",
        "chat:?",
        "chat:{room}",
        "chat:",
        "chat",
        "chat:a\n",
        "chat:a\r\nSUBSCRIBE x",
        "chat:a b",
        "chat:a:b",
        "chat:\x00",
        "chat:" + "x" * 1_000,
        "x" * 10_000,
        "",
        "events:order",
        "tests:chat:a",
        "__keyspace@0__:x",
        "{chat:a}:members",
        CONTROL,
    ],
    ids=lambda topic: repr(topic[:30]),
)
async def test_odd_names_are_no_topics(browser: Any, server: Any, prefix: str, topic: str) -> None:
    ada = await browser()

    refused = await ada.join(topic)

    assert refused["code"] == "unknown_topic"
    assert server.client().pubsub_numpat() == 0
    assert not [name for name in server.client().pubsub_channels(f"{prefix}:*") if b"control" not in name]


@pytest.mark.parametrize("topic", [CONTROL, "__keyspace@0__:x"])
async def test_the_bus_own_channels_are_nobodys_even_if_a_declaration_would_match(
    channel: Any, browser: Any, topic: str
) -> None:
    for name in ("{a}:{b}", "{a}:{b}:{c}"):
        channel(name, can_join=anyone, can_publish=anyone)
    ada = await browser()

    assert (await ada.join("x:y"))["do"] == "joined"
    assert (await ada.join(topic))["code"] == "unknown_topic"
    assert (await ada.ask("publish", topic=topic, data={}))["code"] == "not_joined"


async def test_a_wild_name_is_a_room_of_its_own(channel: Any, browser: Any, chat: Any) -> None:
    """Names that a pattern of another program's would match are taken by the letter."""
    ada = await browser()
    await ada.join("chat:a-z")

    await chat(room="b").apublish({"text": "not for ada"})

    assert await ada.is_silent()
