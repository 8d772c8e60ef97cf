"""Channels as they are declared: names, parameters, what cannot work, what the settings say."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pytest

from django_redis_bus import (
    Channel,
    ConfigurationError,
    PayloadError,
    UnknownTopic,
    bus,
    registry,
)
from django_redis_bus.core.config import RelayConfig

Declare = Callable[..., Any]
Settings = Callable[..., None]


def test_a_channel_has_concrete_names(declare_channel: Declare) -> None:
    chat = declare_channel("chat:{room}:{id}", parameters={"id": int})
    assert repr(chat) == "Channel('chat:{room}:{id}')"
    assert chat(room="lobby", id="7").name == "chat:lobby:7"
    assert chat.parse("chat:lobby:7") == {"room": "lobby", "id": 7}
    assert chat.parse("chat:lobby:x") is None
    with pytest.raises(PayloadError, match="'id'"):
        chat(room="lobby", id="x")
    with pytest.raises(PayloadError, match="takes the parameters: room, id; got: none"):
        chat.publish(1)


@pytest.mark.parametrize("room", ["*", "a:b", "a b", "a\n", "[ab]", "{x}", "", None, "x" * 129, "\x00"])
def test_a_parameter_is_never_a_pattern(declare_channel: Declare, room: object) -> None:
    with pytest.raises(PayloadError):
        declare_channel()(room=room)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"history": -1}, "history is a number"),
        ({"history": True}, "history is a number"),
        ({"history": 1.5}, "history is a number"),
        ({"history": 10**7}, "history is a number"),
        ({"history_age_s": 0}, "at least 1"),
        ({"history_age_s": math.nan}, "at least 1"),
        ({"history_age_s": math.inf}, "at least 1"),
        ({"history_age_s": "7d"}, "at least 1"),
        ({"can_join": True}, "can_join is a function"),
        ({"can_join": "nobody"}, "can_join is a function"),
        ({"can_publish": 7}, "can_publish is a function"),
        ({"redact": "text"}, r"redact=\['text'\]"),
        ({"redact": ["a..b"]}, "redact"),
        ({"parameters": {"rom": int}}, "Did you mean 'room'"),
        ({"version": 0}, "Channel 'chat:{room}': version"),
        ({"payload": object()}, "Channel 'chat:{room}': payload"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_declared(
    bus_settings: Settings, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Channel("chat:{room}", **options)
    assert registry.find_channel("default", "chat:lobby") is None


def test_two_declarations_of_one_name_are_refused(declare_channel: Declare) -> None:
    first = declare_channel()
    with pytest.raises(ConfigurationError, match=r"Channel 'chat:\{room\}' of bus 'default' is declared twice"):
        Channel("chat:{room}")
    assert registry.find_channel("default", "chat:lobby") is first


def test_settings_go_before_code(declare_channel: Declare, bus_settings: Settings) -> None:
    declare_channel(history=5, can_join="a.b")
    bus_settings(CHANNELS={"chat:{room}": {"HISTORY": 9}, "notifications": {"PRESENCE": True}}, RELAY={"queue": 3})
    found = registry.channel("default", "chat:lobby")
    assert (found.name, found.keeping.history, found.can_join) == ("chat:{room}", 9, "a.b")
    assert registry.channel("default", "chat:{room}").keeping.history == 9
    assert registry.channel("default", "notifications").presence is True
    assert bus.config.relay == RelayConfig(queue=3)
    with pytest.raises(UnknownTopic, match=r"knows no channel 'chta:lobby'.*\['CHANNELS'\].*Channel\('chta:lobby'\)"):
        registry.channel("default", "chta:lobby")
    assert [bus.publish("chat:lobby", n).offset is None for n in (1, 2)] == [False, False]


SLUG = Annotated[str, msgspec.Meta(pattern=r"^[a-z]+\Z")]


def test_a_name_that_does_not_fit_its_type_belongs_to_nobody(declare_channel: Declare) -> None:
    declare_channel("chat:{room}", parameters={"room": SLUG})
    assert registry.find_channel("default", "chat:lobby") is not None
    assert registry.find_channel("default", "chat:LOBBY") is None
    with pytest.raises(UnknownTopic):
        bus.publish("chat:LOBBY", 1)


def test_a_value_that_does_not_fit_is_said(declare_channel: Declare) -> None:
    declare_channel("support:{ticket}", parameters={"ticket": int})
    for ask in (lambda: registry.channel("default", "support:x"), lambda: registry.address("default", "support:x")):
        with pytest.raises(UnknownTopic, match=r"'support:x' looks like channel 'support:\{ticket\}'.*does not fit"):
            ask()
    with pytest.raises(UnknownTopic, match=r"no stream or channel 'x'.*Stream\('x'\) or Channel\('x'\)"):
        registry.address("default", "x")


def test_listeners_in_a_wrong_place_say_what_to_write(declare: Declare, declare_channel: Declare) -> None:
    support = declare_channel("support:{ticket}")

    def log(event: object) -> None: ...

    with pytest.raises(ConfigurationError, match=r"write @….listener\(\) above the function"):
        support.listener(log)
    with pytest.raises(ConfigurationError, match=r"write @….listener\(\). A Stream has handlers"):
        support.handler(group="x")
    with pytest.raises(ConfigurationError, match=r"'support:1' is one name of .*await bus.subscribe"):
        support(ticket=1).listener()
    with pytest.raises(ConfigurationError, match=r"write @….handler\(\) above the function"):
        declare("events:order").handler(log)
    with pytest.raises(ConfigurationError, match=r"write @….handler\(group=…\). A Channel has listeners"):
        declare("events:order").listener()
    assert registry.listeners("default") == []
