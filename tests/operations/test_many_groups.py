"""Streams with more groups than anybody reads: those that matter are shown, and how many others there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from django_redis_bus.operations import pausing, streams
from django_redis_bus.operations.rates import minutes
from tests.operations.ward import Ward
from tests.terminal import run


@pytest.fixture
def crowded(ward: Ward, declare: Callable[..., Any]) -> Ward:
    """A stream that 150 groups have read, of which the last have most to do; and "billing", the only one of ours."""

    @declare("events:order").handler(group="billing")
    def charge(event: object) -> None: ...

    ids = ward.add(3)
    for n in range(100):
        ward.make_group(f"a{n:03}", ids[-1])
    ward.make_group("billing", ids[-1])
    for n in range(49):
        ward.make_group(f"z{n:03}", "0")
    return ward


def names(report: streams.StreamReport) -> list[str]:
    return [group.name for group in report.groups]


def test_ours_and_those_with_most_to_do_are_shown(crowded: Ward) -> None:
    report = streams.stream(crowded.asking(), crowded.topic)

    assert (len(report.groups), report.more_groups) == (100, 50)
    assert names(report) == [
        *(f"a{n:03}" for n in range(50)),
        "billing",
        *(f"z{n:03}" for n in range(49)),
    ]
    assert all(group.exists for group in report.groups)
    # And fewer where there are many streams
    [listed] = streams.named(crowded.asking(), [crowded.topic])
    assert names(listed) == ["billing", *(f"z{n:03}" for n in range(19))]
    assert listed.more_groups == 130


def test_a_group_that_is_asked_for_is_among_them(crowded: Ward) -> None:
    report = streams.stream(crowded.asking(), crowded.topic, "a099")

    assert "a099" in names(report)
    assert (len(report.groups), report.more_groups) == (100, 50)
    assert names(streams.stream(crowded.asking(), crowded.topic, "nobody")).count("nobody") == 0
    assert run("bus_pause", "pause", crowded.topic, "a099").code == 0


def test_what_is_paused_is_seen_among_a_thousand_notes(crowded: Ward) -> None:
    handler = streams.stream(crowded.asking(), crowded.topic).groups[50].handlers[0].name
    pausing.pause(crowded.asking(), crowded.topic, "billing", handler, by="eve")
    pausing.pause(crowded.asking(), crowded.topic, "z001", by="eve")
    crowded.client.hset(crowded.keys.paused, mapping={f"x{n}": "{}" for n in range(2_000)})

    groups = {group.name: group for group in streams.stream(crowded.asking(), crowded.topic).groups}

    assert groups["billing"].handlers[0].pause is not None
    assert groups["z001"].pause is not None


def test_it_is_said_how_many_others_there_are(crowded: Ward, admin_client: Client) -> None:
    asked = {"stream": crowded.topic}
    page = admin_client.get(reverse("admin:django_redis_bus_stream", query=asked)).content.decode()
    listing = admin_client.get(reverse("admin:django_redis_bus_streams")).content.decode()
    choice = admin_client.get(reverse("admin:django_redis_bus_pending", query=asked)).content.decode()

    assert "50 more groups are not shown" in page
    assert "50 more groups are not shown" in choice
    assert "130 more groups are not shown" in listing
    assert "  50 more groups; those of this project" in run("bus_info", crowded.topic).out
    told = run("bus_info", "--json").json["streams"]["items"]
    assert [report["more_groups"] for report in told if report["topic"] == crowded.topic] == [130]


def test_minutes_of_many_groups_cost_little(ward: Ward) -> None:
    minute = ward.now_ms() // 60_000
    filled = {f"g{n} handled": 1 for n in range(5_000)}
    ward.client.hset(ward.keys.stats(minute - 1), mapping={"added": 10})
    ward.client.hset(ward.keys.stats(minute), mapping=filled | {"added": 17})

    [*_, last] = minutes(ward.asking(), [ward.topic])

    assert (last.added, last.handled) == (7, 0)
