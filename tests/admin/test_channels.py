"""Channels: who listens, who is there, and what is said while one listens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus import bus
from django_redis_bus.admin import channels

from . import reports as made
from .conftest import Staff
from .test_overview import words

Render = Callable[..., str]
At = Callable[..., str]


def test_all_channels_with_their_subscribers_and_the_listeners(page: Render) -> None:
    report = made.the_channels(made.a_channel(), made.a_channel("news", declaration="", kept=None, sockets=None))
    text = words(page(channels.shown_all, report))
    assert "Active channels 12" in text
    assert "Patterns 3" in text
    assert "chat:lobby chat:{room} 2 50 3" in text
    assert "news not declared 2 – –" in text
    assert "web1-812 relay alive 2 s ago 5,121 0 1 37 chat:* , news" in text


def test_too_many_channels_are_looked_up_by_name(page: Render) -> None:
    text = page(channels.shown_all, made.the_channels(unlisted=True))
    assert "too many channels to list" in text
    assert 'name="channel" required' in text


def test_one_channel_with_who_is_there(page: Render) -> None:
    there = made.a_channel(people=({"id": 1, "name": "Ada"},))
    text = words(page(channels.shown, there, rights=("see", "payloads")))
    assert "{&quot;id&quot;: 1, &quot;name&quot;: &quot;Ada&quot;}" in text
    assert "Subscribers 2" in text
    assert "Ada" not in page(channels.shown, there)
    assert "tells no presence" in words(page(channels.shown, made.a_channel(sockets=None)))
    assert "Nobody." in words(page(channels.shown, made.a_channel(sockets=0)))


def test_only_who_may_see_payloads_is_invited_to_listen(page: Render) -> None:
    assert "Listen for 5 s" not in page(channels.shown, made.a_channel())
    assert "Listen for 5 s" in page(channels.shown, made.a_channel(), rights=("see", "payloads"))
    undeclared = made.a_channel(declaration="")
    assert "Listen for 5 s" not in page(channels.shown, undeclared, rights=("see", "payloads"))


def test_what_was_heard_is_shown_the_newest_first_and_kept_while_the_page_goes_on(page: Render) -> None:
    said = [made.a_message(event_id="first"), made.a_message(event_id="second", text=None)]
    text = page(channels.heard, "chat:lobby", said)
    assert text.index("second") < text.index("first")
    assert 'data-bus-keep="200"' in text
    assert "hidden" in text
    assert "there is a moment in which it hears nothing" in text


def test_a_page_that_listens_hears(
    staff: Staff,
    at: At,
    declare_channel: Callable[..., Any],
    redis_client: Any,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given somebody who says something as soon as a page listens
    monkeypatch.setattr(channels, "HEAR_S", 1.0)
    chat = declare_channel("chat:{room}")

    def say() -> None:
        deadline = time.monotonic() + 10
        while not redis_client.pubsub_numsub(f"{prefix}:chat:lobby")[0][1] and time.monotonic() < deadline:
            time.sleep(0.01)
        bus.publish(chat(room="lobby"), {"text": "<b>hello"})

    speaker = threading.Thread(target=say)
    speaker.start()
    # When
    answer = staff("see_bus", "see_payloads").get(at("hear", channel="chat:lobby"))
    speaker.join()
    # Then
    assert "&lt;b&gt;hello" in answer.content.decode()


def test_a_channel_that_nothing_declares_cannot_be_listened_to(staff: Staff, at: At) -> None:
    answer = staff("see_bus", "see_payloads").get(at("hear", channel="nothing"))
    assert answer.status_code == 400
    assert "declares no channel" in answer.content.decode()
