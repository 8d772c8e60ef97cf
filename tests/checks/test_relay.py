"""One test for each check of what browsers may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_redis_bus import Channel, conf, registry
from django_redis_bus.access import anyone
from django_redis_bus.checks.relay import check_relay


@pytest.fixture
def channel(bus_settings: Callable[..., None]) -> Iterator[Callable[..., Channel]]:
    made: list[Channel] = []

    def make(name: str, **options: Any) -> Channel:
        made.append(Channel(name, **options))
        return made[-1]

    yield make
    for each in made:
        registry.remove_channel(each)


def ids() -> list[str]:
    return [message.id or "" for message in check_relay(conf.configs())]


@pytest.mark.parametrize("text", ["user:{id}", "user:{user}", "user:{user.nonsense}", "x:{request.user}"])
def test_e150_a_pushed_topic_that_the_user_does_not_name(bus_settings: Callable[..., None], text: str) -> None:
    bus_settings(RELAY={"push": [text]})

    assert ids() == ["bus.E150"]


@pytest.mark.parametrize("text", ["notifications", "user:{user.pk}", "user:{user.username}", "u:{user.get_username}"])
def test_pushed_topics_that_can_be_named(bus_settings: Callable[..., None], text: str) -> None:
    bus_settings(RELAY={"push": [text]})

    assert ids() == []


def test_w120_who_may_publish_may_not_join(channel: Callable[..., Channel]) -> None:
    channel("shout:{room}", can_publish=anyone)

    assert ids() == ["bus.W120"]


def test_who_is_pushed_into_a_topic_may_publish_there(
    channel: Callable[..., Channel], bus_settings: Callable[..., None]
) -> None:
    channel("user:{id}", can_publish=anyone)
    bus_settings(RELAY={"push": ["user:{user.pk}"]})

    assert ids() == []


def test_w120_looks_at_the_settings_too(channel: Callable[..., Channel], bus_settings: Callable[..., None]) -> None:
    channel("shout:{room}", can_publish=anyone)
    bus_settings(CHANNELS={"shout:{room}": {"CAN_JOIN": "django_redis_bus.access.signed_in"}})

    assert ids() == []


def test_w121_any_page_may_connect(bus_settings: Callable[..., None]) -> None:
    bus_settings(RELAY={"origins": ["*"]})

    assert ids() == ["bus.W121"]


@pytest.mark.parametrize(
    ("origin", "found"),
    [
        ("https://shop.example", []),
        ("http://Shop.example:8000", []),
        ("https://.shop.example", []),
        ("shop.example", ["bus.E151"]),
        ("shop.example:8000", ["bus.E151"]),
        ("https://shop.example/", ["bus.E151"]),
        ("https://", ["bus.E151"]),
        ("https://[", ["bus.E151"]),
        ("null", ["bus.E151"]),
    ],
)
def test_e151_what_is_no_origin(bus_settings: Callable[..., None], origin: str, found: list[str]) -> None:
    bus_settings(RELAY={"origins": [origin]})

    assert ids() == found
