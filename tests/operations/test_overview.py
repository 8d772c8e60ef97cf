"""A bus at a glance, and what looking at it costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus import bus
from django_redis_bus.core.exceptions import Unavailable
from django_redis_bus.models import OutboxEvent
from django_redis_bus.operations.overview import overview
from django_redis_bus.outbox.rows import now_ms
from django_redis_bus.outbox.states import State
from tests.operations.seeing import Scene
from tests.servers import Server

Declare = Callable[..., Any]


def row(**facts: Any) -> None:
    made = {
        "bus": "default",
        "topic": "t",
        "type": "t",
        "event_id": "1",
        "fields": b"",
        "created_ms": 0,
        "moment_ms": 0,
    }
    OutboxEvent.objects.create(**made | facts)


@pytest.mark.django_db
def test_a_bus_is_shown_with_its_streams_its_flow_and_what_is_wrong(scene: Scene, declare: Declare) -> None:
    declare("events:order")
    scene.add(3)
    scene.client.xadd(scene.keys().dead, {"n": 1})
    minute = scene.now_ms() // 60_000
    scene.client.hset(scene.keys().stats(minute), mapping={"billing handled": 7})

    found = overview(scene.asking())

    assert (found.alias, found.circuit, found.server.role) == ("default", "closed", "master")
    assert found.streams.items[0].topic == "events:order"
    assert sum(each.handled for each in found.minutes) == 7
    about = [finding.id for finding in found.findings if finding.topic == "events:order"]
    assert about == ["dead"]
    levels = [finding.level for finding in found.findings]
    assert levels == sorted(levels)


@pytest.mark.django_db
def test_an_outbox_in_trouble_is_told(scene: Scene) -> None:
    def told() -> set[str]:
        return {finding.id for finding in overview(scene.asking()).findings if finding.id.startswith("outbox")}

    row(state=State.PENDING, moment_ms=now_ms())
    row(state=State.PARKED, bus="another")
    row(state=State.SENT)
    assert told() == set()

    row(state=State.PENDING, moment_ms=now_ms() - 61_000)
    row(state=State.PARKED)
    assert told() == {"outbox-waiting", "outbox-parked"}


@pytest.mark.django_db
def test_an_open_circuit_is_told_and_redis_is_asked_all_the_same(
    own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str, declare: Declare
) -> None:
    server = own_server()
    bus_settings(LOCATION=server.url, CIRCUIT={"failures": 1, "cooldown": 600}, ON_FAILURE="drop", DEADLINE=0.2)
    declare("events:order")
    server.kill()
    bus.publish("events:order", {})
    scene = Scene(server.client(), prefix)
    with pytest.raises(Unavailable):
        overview(scene.asking())
    server.start()

    found = overview(scene.asking())

    assert found.circuit == "open"
    assert found.findings[0].id == "circuit"


@pytest.mark.django_db
def test_it_takes_a_few_round_trips_however_many_streams_there_are(scene: Scene) -> None:
    topics = [f"s{n:02}" for n in range(45)]
    for topic in topics:
        scene.add(1, topic)
        for group in ("a", "b", "c"):
            scene.group(group, topic)
    scene.opened(*topics)
    asking = scene.asking()
    trips: list[str] = []
    for name in ("call", "many", "run", "run_many"):
        ask = getattr(asking, name)

        def counted(*args: Any, ask: Callable[..., Any] = ask, name: str = name) -> Any:
            trips.append(name)
            return ask(*args)

        object.__setattr__(asking, name, counted)

    found = overview(asking)

    assert sum(len(report.groups) for report in found.streams.items) >= 135
    assert len(trips) <= 8
