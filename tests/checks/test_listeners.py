"""One test for each check of listeners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import CheckMessage

from django_redis_bus import conf
from django_redis_bus.checks import check_bus
from django_redis_bus.checks.listeners import check_listeners

Declare = Callable[..., Any]


def found() -> list[CheckMessage]:
    messages = check_listeners(conf.configs())
    assert check_bus() == messages
    return messages


def only(id: str) -> CheckMessage:
    [message] = found()
    assert message.id == id
    assert message.is_serious()
    return message


def test_good_listeners_have_nothing_to_say(declare_channel: Declare) -> None:
    chat = declare_channel("chat:{room}")

    @chat.listener()
    def plain(event: object) -> None: ...

    @chat.listener(on_gap=lambda gap: None)
    async def with_room(event: object, room: str) -> None: ...

    @chat.listener()
    def with_all(event: object, **parameters: object) -> None: ...

    @chat.listener()
    def with_default(event: object, more: int = 1, *, room: str) -> None: ...

    assert found() == []


def test_e130(declare_channel: Declare) -> None:
    chat = declare_channel("tenant:{tenant}:chat:{room}")

    @chat.listener()
    def moderate(event: object, rom: str) -> None: ...

    message = only("bus.E130")
    assert message.msg.endswith(
        "moderate of channel 'tenant:{tenant}:chat:{room}' cannot be called: missing a required argument: 'rom'."
    )
    assert message.hint == (
        "It takes an Event, and by name what the channel's name holds: def moderate(event, tenant, room): …"
    )


def test_e130_without_an_argument(declare_channel: Declare) -> None:
    @declare_channel("chat:{room}").listener()
    def moderate() -> None: ...

    assert "too many positional arguments" in only("bus.E130").msg


@pytest.mark.parametrize("on_gap", [lambda: None, lambda gap, more: None])
def test_e131(declare_channel: Declare, on_gap: Any) -> None:
    @declare_channel("chat:{room}").listener(on_gap=on_gap)
    def moderate(event: object) -> None: ...

    message = only("bus.E131")
    assert "its on_gap cannot be called with one Gap" in message.msg
    assert message.hint == "def missed(gap): …"


def test_e132(declare_channel: Declare) -> None:
    @declare_channel("support:{ticket}").listener()
    def log(ticket: object) -> None: ...

    message = only("bus.E132")
    assert "its first parameter 'ticket' is called as a placeholder" in message.msg
    assert message.hint == "def log(event, ticket): …"


def test_a_placeholder_may_be_called_event(declare_channel: Declare) -> None:
    @declare_channel("about:{event}").listener()
    def log(event: object) -> None: ...

    assert found() == []
