"""CHANNELS and RELAY in the settings."""

from __future__ import annotations

from typing import Any

import pytest

from django_redis_bus.core.config import BusConfig, ChannelConfig, RelayConfig
from django_redis_bus.core.parsing import parse_buses
from django_redis_bus.core.sections import Problem
from django_redis_bus.core.topics import ChannelTopic


def parse(**options: Any) -> tuple[BusConfig, list[Problem]]:
    configs, problems = parse_buses({"default": {"LOCATION": "redis://h", **options}})
    return configs["default"], problems


def test_everything_that_can_be_said_of_a_channel() -> None:
    entry = {
        "HISTORY": 1000, "HISTORY_AGE": "2d", "CAN_JOIN": "chat.view_room", "CAN_PUBLISH": "shop.access.may_talk",
        "PRESENCE": True, "REDACT": ["text"],
    }  # fmt: skip
    config, problems = parse(CHANNELS={"chat:{room}": entry})
    assert problems == []
    assert config.channels["chat:{room}"] == ChannelConfig(
        name="chat:{room}", history=1000, history_age_s=172_800.0, can_join="chat.view_room",
        can_publish="shop.access.may_talk", presence=True, redact=("text",),
    )  # fmt: skip


def test_everything_that_can_be_said_of_the_relay() -> None:
    entry = {
        "queue": 1, "message_bytes": 2, "rate": 0.5, "burst": 4, "rooms": 5, "recheck": "1m", "presence": 7,
        "keepalive": 8, "spread": 0, "history": 0, "push": ["notifications", "user:{user.pk}"],
        "origins": ["https://shop.example"], "identity": "shop.access.who",
    }  # fmt: skip
    config, problems = parse(RELAY=entry)
    assert problems == []
    assert config.relay == RelayConfig(
        queue=1, message_bytes=2, rate=0.5, burst=4, rooms=5, recheck_s=60.0, presence_s=7, keepalive_s=8, spread_s=0,
        history=0, push=("notifications", "user:{user.pk}"), origins=("https://shop.example",),
        identity="shop.access.who",
    )  # fmt: skip


def test_nothing_said_is_the_defaults() -> None:
    config, problems = parse(CHANNELS={"chat:{room}": {}}, RELAY={})
    assert (config.relay, problems) == (RelayConfig(), [])
    assert config.channels["chat:{room}"] == ChannelConfig(name="chat:{room}")


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("CHANNELS", "HISTORY", -1),
        ("CHANNELS", "HISTORY", 1_000_001),
        ("CHANNELS", "HISTORY", True),
        ("CHANNELS", "HISTORY", "10"),
        ("CHANNELS", "HISTORY_AGE", "1 year"),
        ("CHANNELS", "HISTORY_AGE", 0),
        ("CHANNELS", "CAN_JOIN", "nodot"),
        ("CHANNELS", "CAN_JOIN", "a..b"),
        ("CHANNELS", "CAN_JOIN", "a.b\n"),
        ("CHANNELS", "CAN_PUBLISH", True),
        ("CHANNELS", "PRESENCE", 1),
        ("CHANNELS", "REDACT", "text"),
        ("RELAY", "queue", 0),
        ("RELAY", "message_bytes", 1.5),
        ("RELAY", "rate", 0),
        ("RELAY", "rate", float("nan")),
        ("RELAY", "rate", float("inf")),
        ("RELAY", "burst", 0),
        ("RELAY", "rooms", 0),
        ("RELAY", "recheck", 0),
        ("RELAY", "presence", 0.5),
        ("RELAY", "keepalive", "soon"),
        ("RELAY", "spread", -1),
        ("RELAY", "history", -1),
        ("RELAY", "push", "notifications"),
        ("RELAY", "push", ["a::b"]),
        ("RELAY", "origins", "https://shop.example"),
        ("RELAY", "identity", "who"),
    ],
)
def test_e003_a_value_that_cannot_be_used(section: str, key: str, value: object) -> None:
    raw = {"chat:{room}": {key: value}} if section == "CHANNELS" else {key: value}
    _, [problem] = parse(**{section: raw})
    assert problem.id == "bus.E003"
    place = "['CHANNELS']['chat:{room}']" if section == "CHANNELS" else "['RELAY']"
    assert problem.message.startswith(f"REDIS_BUS['default']{place}[{key!r}] ")
    assert problem.hint.startswith("Give ")


def test_e004_unknown_keys() -> None:
    _, [channel, relay] = parse(CHANNELS={"chat:{room}": {"HISTROY": 1}}, RELAY={"quue": 1})
    assert (channel.id, relay.id) == ("bus.E004", "bus.E004")
    assert "'HISTORY'" in channel.hint
    assert "'queue'" in relay.hint


def test_settings_go_before_code() -> None:
    topic = ChannelTopic("chat:{room}", history=5, history_age_s=60, can_join="a.b", presence=True, redact=["x"])
    assert topic.under(None) is topic
    assert topic.under(ChannelConfig(name="chat:{room}")).keeping == (5, 60_000)
    there = topic.under(
        ChannelConfig(
            name="chat:{room}", history=0, history_age_s=2.0, can_join="c.d", can_publish="e.f", presence=False,
            redact=("y",),
        )
    )  # fmt: skip
    assert (there.keeping, there.can_join, there.can_publish) == ((0, 2_000), "c.d", "e.f")
    assert (there.presence, there.redact) == (False, ("y",))
    # and the declaration itself has not changed
    assert (topic.keeping.history, topic.can_join, topic.presence) == (5, "a.b", True)
