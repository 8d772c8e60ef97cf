"""One test for each check of channels and of RELAY."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import CheckMessage

from django_redis_bus import Channel, conf, registry
from django_redis_bus.checks import check_bus
from django_redis_bus.checks.channels import check_channels
from django_redis_bus.checks.redaction import check_redaction
from tests.core.examples import OrderData

Declare = Callable[..., Any]
Settings = Callable[..., None]
HERE = "tests.checks.test_channels"


def may_enter(user: Any, room: str) -> bool:
    return True


def takes_all(user: Any, **parameters: Any) -> bool:
    return True


async def later(user: Any, *, room: str, other: int = 0) -> bool:
    return True


def wants_more(user: Any, room: str, ticket: str) -> bool:
    return True


class Door:
    def __call__(self, user: Any, room: str) -> bool:
        return True


NO_RULE = 7


def messages() -> list[CheckMessage]:
    """What the checks say; the example project's and other tests' channels are on no bus here."""
    return check_channels(conf.configs())


def one(id: str, *said: str) -> CheckMessage:
    [message] = messages()
    assert message.id == f"bus.{id}"
    assert message.hint
    for text in said:
        assert text in f"{message.msg} {message.hint}"
    return message


@pytest.mark.parametrize(
    "rule", [None, may_enter, takes_all, later, Door(), Door().__call__, bool, f"{HERE}.may_enter", "auth.view_user"]
)
def test_rules_that_can_be_asked(declare_channel: Declare, rule: Any) -> None:
    if rule is bool:
        rule = lambda user, room: True  # noqa: E731
    declare_channel(can_join=rule, can_publish=rule)
    assert messages() == []


def test_e020_a_bus_that_there_is_not(bus_settings: Settings) -> None:
    channel = Channel("chat:{room}", bus="defualt")
    try:
        one("E020", "Channel('chat:{room}') is declared for bus 'defualt'", "Did you mean 'default'?")
    finally:
        registry.remove_channel(channel)


def test_e021_names_that_overlap(declare: Declare, declare_channel: Declare) -> None:
    declare("events:order")
    declare_channel("chat:{room}")
    declare_channel("notes")
    assert messages() == []
    declare_channel("chat:{who}")
    one("E021", "Channels 'chat:{room}' and 'chat:{who}'")


def test_e021_a_stream_and_a_channel(declare: Declare, declare_channel: Declare) -> None:
    declare("chat:lobby")
    declare_channel("chat:{room}")
    one("E021", "Channel 'chat:{room}' and stream 'chat:lobby'")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (f"{HERE}.may_entr", "cannot be imported"),
        ("no.such.module", "cannot be imported"),
        (f"{HERE}.NO_RULE", "no function"),
        (f"{HERE}.wants_more", "def wants_more(user, room) -> bool"),
        (wants_more, "def wants_more(user, room) -> bool"),
        (lambda: True, "cannot be called with the user and the channel's parameters"),
    ],
)
def test_e022_rules_that_cannot_be_asked(declare_channel: Declare, rule: Any, said: str) -> None:
    declare_channel(can_publish=rule)
    one("E022", "Channel('chat:{room}'): can_publish", said)


def test_e022_in_the_settings(bus_settings: Settings) -> None:
    bus_settings(CHANNELS={"chat:{room}": {"CAN_JOIN": f"{HERE}.may_entr"}})
    one("E022", "REDIS_BUS['default']['CHANNELS']['chat:{room}']['CAN_JOIN']", "may_entr")


def test_e023_pushed_channels_have_to_be_declared(bus_settings: Settings) -> None:
    channels: dict[str, Any] = {"user:{id}": {}, "notifications": {}}
    bus_settings(CHANNELS=channels, RELAY={"push": ["notifications", "user:{user.pk}"]})
    assert messages() == []
    bus_settings(CHANNELS=channels, RELAY={"push": ["notification"]})
    one("E023", "RELAY']['push'] holds 'notification'", "Did you mean 'notifications'?")


def test_e024_who_a_user_is(bus_settings: Settings) -> None:
    bus_settings(RELAY={"identity": f"{HERE}.may_enter"})
    assert messages() == []
    bus_settings(RELAY={"identity": f"{HERE}.who"})
    one("E024", "['RELAY']['identity']", "who")


def test_w020_a_permission_of_no_app(declare_channel: Declare) -> None:
    declare_channel(can_join="auht.view_user")
    one("W020", "there is no app 'auht'", "Did you mean 'auth'?")


def test_redacted_places_of_channels_are_looked_at_too(declare_channel: Declare, bus_settings: Settings) -> None:
    declare_channel(payload=OrderData, redact=["totl"])
    [message] = check_redaction(conf.configs())
    assert (message.id, "Channel('chat:{room}')" in message.msg) == ("bus.W011", True)
    bus_settings(CHANNELS={"chat:{room}": {"REDACT": ["total"]}})
    assert check_redaction(conf.configs()) == []
    bus_settings(CHANNELS={"chat:{room}": {"REDACT": ["a..b"]}})
    [message] = check_redaction(conf.configs())
    assert (message.id, message.msg.startswith("REDIS_BUS['default']['CHANNELS']['chat:{room}']")) == ("bus.E019", True)


def test_they_are_among_the_checks(declare_channel: Declare) -> None:
    declare_channel(can_join="auht.view_user")
    assert "bus.W020" in [message.id for message in check_bus()]


def test_w021_a_name_in_the_settings_with_a_typo(declare_channel: Declare, bus_settings: Settings) -> None:
    declare_channel("notifications")
    bus_settings(CHANNELS={"notfications": {}, "notifications": {}, "other": {}})
    one("W021", "has 'notfications' without options", "Did you mean 'notifications'?")
    bus_settings(CHANNELS={"notfications": {"HISTORY": 5}})
    assert messages() == []
