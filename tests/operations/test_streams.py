"""Streams and groups as operators see them: what is there, how far behind, and what cannot be seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.core.config import Retention
from django_redis_bus.core.exceptions import Unavailable
from django_redis_bus.core.keys import streams_key
from django_redis_bus.operations.groups import GroupReport
from django_redis_bus.operations.streams import StreamReport, named, stream, streams
from django_redis_bus.operations.values import Count
from tests.operations.seeing import Scene
from tests.servers import Server

Declare = Callable[..., Any]
MINUTE_MS = 60_000


def listed(scene: Scene, **options: Any) -> dict[str, StreamReport]:
    return {report.topic: report for report in streams(scene.asking(), **options).items}


def group_of(report: StreamReport, name: str = "billing") -> GroupReport:
    return next(group for group in report.groups if group.name == name)


# --- which streams


def test_declared_streams_and_those_that_consumers_have_opened_are_listed(scene: Scene, declare: Declare) -> None:
    declare("events:order", retention=Retention(count=5))
    declare("tenant:{tenant}:orders")
    scene.opened("tenant:acme:orders", "events:order", "by-hand")
    scene.add(3, "by-hand")

    found = listed(scene)

    assert {name: report.declaration for name, report in found.items()} == {
        "by-hand": "",
        "events:order": "events:order",
        "tenant:acme:orders": "tenant:{tenant}:orders",
    } | {name: name for name in found if name.startswith("tests:")}
    assert (found["events:order"].exists, found["events:order"].retention) == (False, Retention(count=5))
    assert (found["by-hand"].exists, found["by-hand"].length) == (True, 3)
    assert found["by-hand"].retention == Retention(count=None)


def test_pages_follow_each_other(scene: Scene) -> None:
    names = {f"s{n:03}" for n in range(120)}
    scene.opened(*names)

    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = streams(scene.asking(), after=after)
        assert len(page.items) <= 50
        found += [report.topic for report in page.items]
        after = page.following

    assert found == sorted(found)
    assert names <= set(found)


def test_names_that_are_none_are_left_out(scene: Scene) -> None:
    scene.opened("", "x" * 501, "fine")
    scene.client.sadd(streams_key(scene.prefix), b"\xff")

    assert "fine" in listed(scene)
    assert "x" * 501 not in listed(scene)


def test_a_list_of_names_that_is_no_set_does_not_matter(scene: Scene, declare: Declare) -> None:
    declare("events:order")
    scene.client.set(streams_key(scene.prefix), "x")

    assert "events:order" in listed(scene)


# --- one stream


def test_it_is_seen_on_each_server_program(
    any_server: Server, bus_settings: Callable[..., None], prefix: str, declare: Declare
) -> None:
    bus_settings(LOCATION=any_server.url)
    declare("events:order", retention=Retention(count=10))
    scene = Scene(any_server.client(), prefix)
    ids = scene.add(200, ago_ms=MINUTE_MS)
    scene.group(read=190)
    scene.beat()
    scene.client.xack(scene.key(), "billing", *ids[:150])
    scene.client.zadd(scene.keys("billing").retry, {ids[160]: 1})

    report = stream(scene.asking(), "events:order")

    [group] = report.groups
    assert (report.length, report.added, report.first_id, report.last_id) == (200, 200, ids[0], ids[-1])
    assert (group.pending, group.unread, group.retrying, group.due, group.alive) == (40, Count(10), 1, 1, 1)
    assert (group.consumers[0].name, group.consumers[0].pending) == ("c", 40)
    assert 100 <= report.removable.number <= 150  # what the group has not settled stays


def test_nothing_is_removed_from_a_stream_that_nothing_declares(scene: Scene) -> None:
    scene.add(3)

    assert stream(scene.asking(), "events:order").removable == Count(0)


def test_a_stream_tells_its_length_size_and_rate(scene: Scene) -> None:
    scene.add(10, ago_ms=10_000)

    report = stream(scene.asking(), "events:order")

    assert (report.length, report.added, report.dead) == (10, 10, 0)
    assert report.first_id < report.last_id
    assert report.bytes is not None
    assert report.bytes > 100
    assert report.per_s is not None
    assert 0.5 < report.per_s <= 1.0


def test_a_stream_that_is_missing_has_no_numbers(scene: Scene) -> None:
    report = stream(scene.asking(), "nowhere")

    assert (report.exists, report.length, report.trouble, report.groups, report.per_s) == (False, 0, "", (), None)


def test_dead_letters_are_counted_also_of_a_stream_that_has_gone(scene: Scene) -> None:
    for n in range(3):
        scene.client.xadd(scene.keys().dead, {"n": n})

    assert stream(scene.asking(), "events:order").dead == 3


def test_a_key_of_another_type_is_told_and_breaks_nothing(scene: Scene) -> None:
    scene.client.set(scene.key("wrong"), "x")
    scene.client.set(scene.keys(topic="fine").dead, "x")
    scene.add(1, "fine")
    scene.opened("wrong", "fine")

    found = listed(scene)

    assert (found["wrong"].exists, found["wrong"].trouble) == (True, "The key is of another type: string.")
    assert (found["fine"].length, found["fine"].dead, found["fine"].trouble) == (1, 0, "")


def test_a_stream_that_is_not_permitted_is_told_and_breaks_nothing(
    own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str
) -> None:
    server = own_server(aof=False)
    scene = Scene(server.client(), prefix)
    scene.add(2, "open")
    scene.add(2, "closed")
    scene.group(topic="open", read=1)
    scene.opened("open", "closed")
    allowed = [f"~{streams_key(prefix)}", f"~{scene.key('open')}", f"~{{{scene.key('open')}}}:*"]
    scene.client.execute_command("ACL", "SETUSER", "op", "on", ">secret", "+@all", "resetkeys", *allowed)
    bus_settings(LOCATION=server.url, OPTIONS={"username": "op", "password": "secret"})

    found = listed(scene)

    assert (found["open"].length, group_of(found["open"]).pending) == (2, 1)
    assert "refuses this user" in found["closed"].trouble
    assert "secret" not in found["closed"].trouble
    assert stream(scene.asking(), "closed").trouble == found["closed"].trouble


def test_a_frozen_server_is_an_error_soon(
    own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str
) -> None:
    server = own_server(aof=False)
    bus_settings(LOCATION=server.url)
    scene = Scene(server.client(), prefix)
    asking = scene.asking(0.3)
    server.freeze()

    with pytest.raises(Unavailable):
        streams(asking)


def test_scripts_are_sent_when_the_server_does_not_know_them(
    own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str
) -> None:
    server = own_server(aof=False)
    bus_settings(LOCATION=server.url)
    scene = Scene(server.client(), prefix)
    for n in range(5):
        scene.add(n + 1, f"s{n}")
        scene.group(topic=f"s{n}")
    topics = [f"s{n}" for n in range(5)]

    first = named(scene.asking(), topics)
    scene.client.script_flush()
    again = named(scene.asking(), topics)

    assert [report.length for report in first] == [report.length for report in again] == [1, 2, 3, 4, 5]
    assert [group_of(report).unread for report in again] == [Count(n + 1) for n in range(5)]
