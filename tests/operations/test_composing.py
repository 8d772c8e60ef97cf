"""What can be published by hand, and the event as it would be sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from django_redis_bus.bus import buses
from django_redis_bus.core.exceptions import PayloadError, UnknownTopic
from django_redis_bus.operations import composing
from django_redis_bus.operations.composing import Target

Declare = Callable[..., Any]


@dataclass
class Order:
    id: int


def target(name: str) -> Target:
    found = composing.target(buses["default"], name)
    assert found is not None
    return found


def test_declared_topics_of_the_bus_and_no_others(declare: Declare, declare_channel: Declare) -> None:
    declare("events:order")
    declare_channel("chat:{room}")
    found = {each.name: each for each in composing.targets(buses["default"])}
    assert found["events:order"].what == "stream"
    assert (found["chat:{room}"].what, found["chat:{room}"].parameters) == ("channel", ("room",))
    assert composing.target(buses["default"], "nothing") is None


def test_types_of_the_payload_mapping_are_all_that_there_are(declare: Declare) -> None:
    declare("events:order", payload={"b.made": Order, "a.gone": Order})
    assert (target("events:order").types, target("events:order").closed) == (("b.made", "a.gone"), True)


def test_types_of_publishers_and_of_handlers(declare: Declare, bus_settings: Callable[..., None]) -> None:
    bus_settings(
        PUBLISHERS={
            "users": {"MODEL": "auth.User", "TOPIC": "events:user", "ACTIONS": ["created", "deleted"]},
            "logins": {"SIGNAL": "django.contrib.auth.signals.user_logged_in", "TOPIC": "events:user"},
            "named": {"MODEL": "auth.Group", "TOPIC": "events:user", "TYPE": "group.{pk}"},
            "broken": {"MODEL": "auth.Nothing", "TOPIC": "events:user"},
        }
    )

    @declare("events:user").handler(types=["user.mailed"])
    def mail(event: object) -> None: ...

    assert target("events:user").types == (
        "auth.user.created", "auth.user.deleted", "tests.user_logged_in", "user.mailed",
    )  # fmt: skip
    assert not target("events:user").closed


def test_without_any_the_type_is_that_of_a_publish_without_one(declare: Declare) -> None:
    stream = declare("events:order")
    assert target("events:order").types == (stream.message(1).type,)


def test_a_concrete_name_holds_its_parameters(declare_channel: Declare) -> None:
    declare_channel("chat:{room}")
    assert target("chat:lobby").name == "chat:{room}"
    assert composing.parameters(buses["default"], "chat:lobby") == {"room": "lobby"}
    assert composing.parameters(buses["default"], "chat:{room}") == {}
    assert composing.parameters(buses["default"], "nothing") == {}


def test_an_event_as_it_would_be_sent(declare: Declare) -> None:
    declare("tenant:{name}:orders", payload=Order)
    message = composing.compose(
        buses["default"], "tenant:{name}:orders", {"id": 7}, parameters={"name": "acme"}, type="made", key="k", id="e1"
    )
    sent = composing.as_sent(message)
    assert message.topic == "tenant:acme:orders"
    assert message.once
    assert dict(sent.attributes)["ce_partitionkey"] == "k"
    assert sent.body == '{\n  "id": 7\n}'


def test_a_message_of_a_channel_as_it_would_be_sent(declare_channel: Declare) -> None:
    declare_channel("chat:{room}")
    message = composing.compose(buses["default"], "chat:{room}", "hé\x1b", parameters={"room": "x"})
    assert json.loads(composing.as_sent(message).body)["data"] == "hé\x1b"


def test_what_does_not_fit_names_its_field(declare: Declare) -> None:
    declare("events:order", payload={"made": Order})
    with pytest.raises(PayloadError) as refused:
        composing.compose(buses["default"], "events:order", {"id": "x"}, type="made")
    assert composing.data_path(refused.value) == ("id", "$.id")
    with pytest.raises(PayloadError) as refused:
        composing.compose(buses["default"], "events:order", {"id": 1}, type="unknown")
    assert composing.data_path(refused.value) == ("", "$")
    assert composing.data_path(PayloadError("x", path="$.lines[0].price")) == ("lines", "$.lines[0].price")
    with pytest.raises(UnknownTopic):
        composing.compose(buses["default"], "nothing", 1)
    with pytest.raises(UnknownTopic):
        composing.shape(buses["default"], "nothing", "")


def test_a_type_that_the_topic_lacks_has_no_shape(declare: Declare) -> None:
    declare("events:order", payload={"made": Order})
    assert composing.shape(buses["default"], "events:order", "unknown").fields is None
