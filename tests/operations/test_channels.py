"""Channels, who listens to them, and who is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.core.keys import ChannelKeys, listeners_key
from django_redis_bus.operations import channels as operations
from django_redis_bus.operations.channels import ChannelReport, channel, channels
from tests.operations.seeing import HOSTILE, Scene
from tests.servers import Server

Declare = Callable[..., Any]


def listed(scene: Scene) -> dict[str, ChannelReport]:
    return {report.topic: report for report in channels(scene.asking()).channels}


def enter(scene: Scene, topic: str, *people: Any, expired: bool = False) -> None:
    """Put people into a room, each with one socket."""
    keys, expires = ChannelKeys(scene.key(topic)), scene.now_ms() + (-1_000 if expired else 60_000)
    for n, person in enumerate(people):
        scene.client.zadd(keys.members, {f"socket-{n} {n}": expires})
        scene.client.hset(
            keys.people, str(n), b"1 " + (person if isinstance(person, bytes) else json.dumps(person).encode())
        )


def test_declared_channels_and_those_that_are_subscribed_to_are_listed(scene: Scene, declare_channel: Declare) -> None:
    declare_channel("notifications", history=5)
    declare_channel("chat:{room}")
    heard = scene.client.pubsub()
    heard.subscribe(scene.key("chat:lobby"), scene.key("by-hand"), f"not-{scene.prefix}:x")
    heard.psubscribe("*")
    for _ in range(4):
        assert heard.get_message(timeout=5)

    report = channels(scene.asking())
    found = {each.topic: each for each in report.channels}

    assert {name: found[name].declaration for name in ("notifications", "chat:lobby", "by-hand")} == {
        "notifications": "notifications",
        "chat:lobby": "chat:{room}",
        "by-hand": "",
    }
    assert (found["notifications"].subscribers, found["notifications"].kept) == (0, 0)
    assert (found["chat:lobby"].subscribers, found["chat:lobby"].kept, found["chat:lobby"].sockets) == (1, None, None)
    assert not any("not-" in name for name in found)
    assert report.active.number >= 3
    assert report.patterns >= 1
    assert not report.unlisted
    heard.close()


def test_too_many_channels_are_not_listed(
    own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = own_server(aof=False)
    bus_settings(LOCATION=server.url)
    scene = Scene(server.client(), prefix)
    heard = scene.client.pubsub()
    heard.subscribe(*(scene.key(f"c{n}") for n in range(6)))
    for _ in range(6):
        assert heard.get_message(timeout=5)
    monkeypatch.setattr(operations, "LISTED", 5)
    scene.client.config_resetstat()

    report = channels(scene.asking())

    assert (report.unlisted, report.active.number) == (True, 6)
    assert not any(each.topic.startswith("c") and each.topic[1:].isdigit() for each in report.channels)
    assert "cmdstat_pubsub|channels" not in scene.client.info("commandstats")
    assert channel(scene.asking(), "c3").subscribers == 1
    heard.close()


def test_a_room_tells_who_is_there(scene: Scene, declare_channel: Declare) -> None:
    declare_channel("chat:{room}", presence=True)
    enter(scene, "chat:lobby", {"id": 1, "name": "ann"}, {"id": 2, "name": "bob"})

    report = channel(scene.asking(), "chat:lobby")

    assert (report.declaration, report.sockets) == ("chat:{room}", 2)
    assert report.people == ({"id": 1, "name": "ann"}, {"id": 2, "name": "bob"})


def test_sockets_that_have_expired_do_not_count(scene: Scene, declare_channel: Declare) -> None:
    declare_channel("chat:{room}", presence=True)
    enter(scene, "chat:lobby", {"id": 1}, expired=True)

    assert channel(scene.asking(), "chat:lobby").sockets == 0


def test_people_are_read_leniently_and_capped(scene: Scene, declare_channel: Declare) -> None:
    declare_channel("chat:{room}", presence=True)
    enter(scene, "chat:lobby", b"{", b"[" * 10_000)
    enter(scene, "chat:hall", *({"id": n} for n in range(1_500)))

    assert channel(scene.asking(), "chat:lobby").people == (None, None)
    assert len(channel(scene.asking(), "chat:hall").people) == 100


def test_a_history_is_counted(scene: Scene, declare_channel: Declare) -> None:
    chat = declare_channel("chat:{room}", history=10)
    for n in range(3):
        chat(room="lobby").publish({"n": n})

    assert channel(scene.asking(), "chat:lobby").kept == 3


def test_keys_of_another_type_do_not_matter(scene: Scene) -> None:
    keys = ChannelKeys(scene.key("odd"))
    scene.client.set(keys.history, "x")
    scene.client.set(keys.members, "x")

    assert channel(scene.asking(), "odd") == ChannelReport(topic="odd", declaration="", subscribers=0)


# --- listeners


def test_listeners_of_the_last_hour_are_told_the_living_first(scene: Scene) -> None:
    scene.listener("a:1", ago_ms=60_000)
    scene.listener("b:2", what="listen_pattern", delivered=7, dropped=1, gaps=2, sockets=3)
    scene.listener("c:3", ago_ms=3_700_000)

    alive, dead = channels(scene.asking()).listeners

    assert (alive.name, alive.what, alive.is_alive, alive.topics) == ("b:2", "listen_pattern", True, ("chat:*",))
    assert (alive.delivered, alive.dropped, alive.gaps, alive.sockets) == (7, 1, 2, 3)
    assert (dead.name, dead.is_alive) == ("a:1", False)
    assert 60 <= dead.beat_s < 70


def test_records_of_listeners_are_read_leniently(scene: Scene) -> None:
    scene.listener("fine", topics=[HOSTILE, 7, "x" * 10_000, *map(str, range(100))], delivered="many")
    scene.client.hset(listeners_key(scene.prefix), mapping={"a": b"\xff", "b": "[]", "c": '{"beat":"now"}'})

    [only] = channels(scene.asking()).listeners

    assert (only.name, only.delivered, len(only.topics)) == ("fine", 0, 19)
    assert all(topic.isprintable() and len(topic) <= 200 for topic in only.topics)


def test_thousands_of_listeners_are_read_up_to_a_bound(scene: Scene) -> None:
    record = json.dumps({"beat": scene.now_ms()})
    scene.client.hset(listeners_key(scene.prefix), mapping={f"l{n}": record for n in range(5_000)})

    assert 400 <= len(channels(scene.asking()).listeners) <= 1_500


def test_a_key_of_another_type_is_no_listener(scene: Scene) -> None:
    scene.client.set(listeners_key(scene.prefix), "x")

    assert channels(scene.asking()).listeners == ()
