"""What is said in channels just now."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from django_redis_bus.core.exceptions import AccessRefused, ConfigurationError, Unavailable
from django_redis_bus.operations.channels import Heard, hear
from tests.faults.fleet import wait_for
from tests.operations.seeing import HOSTILE, Scene
from tests.servers import Server

Declare = Callable[..., Any]
LONG_S = 10.0


@contextmanager
def said(scene: Scene, *messages: tuple[str, str | bytes]) -> Iterator[None]:
    """Publish messages as soon as somebody listens to the bus."""

    def publish() -> None:
        def subscribed() -> bool:
            clients = scene.client.client_list()
            return any(int(each["sub"]) + int(each["psub"]) for each in clients if each["name"] == "django-redis-bus")

        wait_for(subscribed)
        for topic, data in messages:
            scene.client.publish(scene.key(topic), data)

    thread = threading.Thread(target=publish)
    thread.start()
    yield
    thread.join()


@pytest.fixture
def alone(own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str) -> Scene:
    """A bus on a server where nobody else listens."""
    server = own_server(aof=False)
    bus_settings(LOCATION=server.url)
    return Scene(server.client(), prefix)


def heard(scene: Scene, *topics: str, most: int = 1, payloads: bool = True, seconds: float = LONG_S) -> list[Heard]:
    return hear(scene.asking(), topics, seconds=seconds, most=most, payloads=payloads)


def message(data: Any, **members: Any) -> str:
    plain = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "time": "2026-11-22T08:00:00Z"}
    return json.dumps(plain | members | {"data": data})


def test_a_message_is_heard_with_what_it_says(alone: Scene, declare_channel: Declare) -> None:
    declare_channel("chat:{room}", redact=["card"])

    with said(alone, ("chat:lobby", message({"text": "hi", "card": "4111"}))):
        [found] = heard(alone, "chat:{room}")

    assert found == Heard(
        topic="chat:lobby", type="t", event_id="1", time="2026-11-22T08:00:00Z",
        text='{"text":"hi","card":"[redacted]"}',
    )  # fmt: skip


def test_without_payloads_only_who_and_when(alone: Scene, declare_channel: Declare) -> None:
    declare_channel("notifications")

    with said(alone, ("notifications", message({"text": "hi"}))):
        [found] = heard(alone, "notifications", payloads=False)

    assert (found.type, found.text) == ("t", None)


def test_only_messages_of_the_declared_channel_are_heard_and_each_once(alone: Scene, declare_channel: Declare) -> None:
    declare_channel("chat:{room}")

    with said(alone, ("chat:a:b", "no"), ("other", "no"), ("chat:lobby", "1"), ("chat:hall", "2")):
        found = heard(alone, "chat:{room}", "chat:lobby", most=2)

    assert [(each.topic, each.text) for each in found] == [("chat:lobby", "1"), ("chat:hall", "2")]


def test_a_name_is_no_pattern(alone: Scene, declare_channel: Declare) -> None:
    declare_channel("chat:{room}")

    for name in ("chat:*", "*", "nowhere"):
        with pytest.raises(ConfigurationError, match="declares no channel"):
            heard(alone, name)


def test_whatever_is_published_is_shown_harmless_and_capped(alone: Scene, declare_channel: Declare) -> None:
    declare_channel("notifications")
    wild = [HOSTILE, b"\xff\x00", "[" * 50_000 + "]" * 50_000, "x" * 1_000_000, message(HOSTILE, type=HOSTILE)]

    with said(alone, *(("notifications", each) for each in wild)):
        found = heard(alone, "notifications", most=len(wild))

    assert len(found) == len(wild)
    for each in found:
        assert all(text.isprintable() and len(text) <= 20_000 for text in (each.topic, each.type, each.text or ""))
    assert found[1].text == "b'\\xff\\x00'"


def test_it_ends_after_its_time(alone: Scene, declare_channel: Declare) -> None:
    declare_channel("notifications")

    assert heard(alone, "notifications", seconds=0.1) == []


def test_a_flood_is_heard_up_to_a_bound(alone: Scene, declare_channel: Declare) -> None:
    declare_channel("notifications")

    with said(alone, *(("notifications", "x" * 900_000) for _ in range(20))):
        found = heard(alone, "notifications", most=200)

    assert len(found) == 9


def test_a_refused_subscription_and_a_server_that_is_away_are_errors(
    alone: Scene, bus_settings: Callable[..., None], declare_channel: Declare
) -> None:
    declare_channel("notifications")
    alone.client.execute_command("ACL", "SETUSER", "deaf", "on", ">pw", "+@all", "allkeys", "resetchannels")
    socket = alone.client.connection_pool.connection_kwargs["path"]

    bus_settings(LOCATION=f"unix://{socket}", OPTIONS={"username": "deaf", "password": "pw"})
    with pytest.raises(AccessRefused):
        heard(alone, "notifications")
    bus_settings(LOCATION="redis://127.0.0.1:1/0")
    with pytest.raises(Unavailable):
        heard(alone, "notifications")
