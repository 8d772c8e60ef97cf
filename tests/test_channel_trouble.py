"""Channels in trouble, and the history that outlives it, on a real server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from django_redis_bus import ConfigurationError, Published, Unavailable, bus, registry
from django_redis_bus.backpressure import Fullness
from tests.core.examples import OrderData

Declare = Callable[..., Any]
Settings = Callable[..., None]
NOWHERE = "redis://127.0.0.1:1/0"


# --- trouble


@pytest.mark.django_db
@pytest.mark.parametrize("policy", [None, "spill", "raise"])
def test_without_redis_it_is_raised_and_never_spilled(
    bus_settings: Settings, declare: Declare, declare_channel: Declare, policy: str | None
) -> None:
    bus_settings(LOCATION=NOWHERE, ON_FAILURE=policy, DEADLINE=0.5)
    with pytest.raises(Unavailable):
        declare_channel()(room="lobby").publish(1)
    results = bus.publish_many([("chat:lobby", 2), (declare(), 3)])
    assert isinstance(results[0], Unavailable)
    assert isinstance(results[1], Unavailable if policy == "raise" else Published)


def test_without_redis_it_may_be_dropped(bus_settings: Settings, declare_channel: Declare) -> None:
    bus_settings(LOCATION=NOWHERE, ON_FAILURE="drop")
    assert declare_channel()(room="lobby").publish(1).state == "dropped"
    assert bus.counts["dropped"] == 1


def test_an_open_circuit_fails_at_once(bus_settings: Settings, declare_channel: Declare) -> None:
    bus_settings(LOCATION=NOWHERE, ON_FAILURE="raise", CIRCUIT={"failures": 1, "cooldown": 60})
    room = declare_channel()(room="lobby")
    with pytest.raises(Unavailable, match="does not answer"):
        room.publish(1)
    with pytest.raises(Unavailable, match="asks it again in"):
        room.publish(2)


@pytest.mark.django_db
def test_a_channel_is_not_held_back_by_what_waits_in_the_outbox(
    bus_settings: Settings, declare: Declare, declare_channel: Declare, own_server: Any
) -> None:
    server = own_server(aof=False)
    bus_settings(LOCATION=server.url, DEADLINE=0.3)
    orders, room = declare(), declare_channel()(room="lobby")
    server.freeze()
    try:
        assert orders.publish(1, key="k").state == "outbox"
    finally:
        server.thaw()
    assert room.publish(2, key="k").state == "sent"


def test_nobody_asks_how_far_a_channel_is_behind(declare_channel: Declare) -> None:
    # There may be one per user: to look each up among the streams would cost more than to publish.
    asked: list[str] = []
    fullness = Fullness(bus.config, bus.clients, lambda topic: asked.append(topic))
    assert fullness.refused([declare_channel()(room="lobby").message(1)], 1.0) == {}
    assert asked == []


# --- history


def test_the_history_is_events(declare_channel: Declare, redis_client: redis.Redis, prefix: str) -> None:
    room = declare_channel(history=3)(room="lobby")
    assert room.history() == []
    for n in range(5):
        room.publish({"n": n})
    assert [e.data["n"] for e in room.history()] == [2, 3, 4]
    assert [e.data["n"] for e in room.history(limit=1)] == [4]
    assert room.history(limit=0) == []
    assert {e.topic for e in room.history()} == {"chat:lobby"}
    with pytest.raises(ConfigurationError, match="limit is a number"):
        room.history(limit=-1)


def test_a_channel_without_placeholders_has_its_own(declare_channel: Declare) -> None:
    notes = declare_channel("notes", history=3)
    notes.publish(1)
    assert [e.data for e in notes.history()] == [1]


def test_what_can_no_longer_be_read_is_left_out(declare_channel: Declare, caplog: pytest.LogCaptureFixture) -> None:
    chat = declare_channel(history=3)
    bus.publish_many([("chat:lobby", {"id": "seven"}), ("chat:lobby", {"id": 7})])
    registry.remove_channel(chat)
    found = declare_channel(history=3, payload=OrderData)(room="lobby").history()
    assert [e.data.id for e in found] == [7]
    assert "invalid_payload" in caplog.text
    assert "seven" not in caplog.text


def test_an_old_epoch_ends_with_a_flush(declare_channel: Declare, own_server: Any, bus_settings: Settings) -> None:
    server = own_server(aof=False)
    bus_settings(LOCATION=server.url)
    room = declare_channel(history=3)(room="lobby")
    first = room.publish(1)
    server.client().flushall()
    second = room.publish(2)
    assert first.epoch != second.epoch
    assert second.offset.startswith("1-")
    assert [e.data for e in room.history()] == [2]
