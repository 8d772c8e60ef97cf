"""Consumers of a group, by what they say of themselves and by what Redis knows."""

from __future__ import annotations

import pytest

from django_redis_bus.operations.groups import ConsumerReport, GroupReport
from django_redis_bus.operations.streams import named, stream
from tests.operations.seeing import Scene


def seen(scene: Scene) -> GroupReport:
    return stream(scene.asking(), "events:order").groups[0]


def consumer(scene: Scene, name: str = "c") -> ConsumerReport:
    return next(each for each in seen(scene).consumers if each.name == name)


def test_a_consumer_tells_what_it_has_in_hand(scene: Scene) -> None:
    ids = scene.add(3)
    scene.group(read=2)
    scene.beat(host="web1", lease_ms=30_000, held=2, oldest=ids[0], oldest_ms=4_500, paused=True)

    found = consumer(scene)

    assert (found.is_alive, found.pending, found.host, found.pid) == (True, 2, "web1", 7)
    assert (found.lease_s, found.held, found.oldest_id, found.oldest_s) == (30.0, 2, ids[0], 4.5)
    assert found.paused
    assert found.beat_s is not None
    assert found.beat_s < 5
    assert (seen(scene).alive, seen(scene).longest_s) == (1, 4.5)


def test_an_old_heartbeat_is_a_dead_consumers(scene: Scene) -> None:
    scene.add(3)
    scene.group(read=2)
    scene.beat(ago_ms=11_000, held=2, oldest="1-1", oldest_ms=9_000, lease_ms=30_000)

    group = seen(scene)

    assert (group.alive, group.longest_s, group.consumers[0].is_alive) == (0, None, False)
    # And what it had in hand then is in nobody's hand now
    [dead] = group.consumers
    assert (dead.held, dead.oldest_id, dead.oldest_s, dead.lease_s, dead.pending) == (None, "", None, 30.0, 2)
    assert group.last_alive_s is not None
    assert 11 <= group.last_alive_s < 20


def test_the_living_come_first_and_who_has_joined_without_reading_counts(scene: Scene) -> None:
    scene.add(3)
    scene.group(read=1, consumer="a-dead")
    scene.beat(name="b-new")
    scene.beat(name="c-gone", ago_ms=60_000)

    assert [(each.name, each.is_alive) for each in seen(scene).consumers] == [("b-new", True), ("a-dead", False)]


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"null",
        b"[1]",
        b"\xff",
        b"{" * 2_000,
        b'{"beat":"soon","pid":{},"host":7}',
        b'{"beat":1e400}',
        b'{"beat":-1}',
    ],
)
def test_records_that_are_none_say_nothing(scene: Scene, record: bytes) -> None:
    scene.add(1)
    scene.group(read=1)
    scene.client.hset(scene.keys("billing").consumers, "c", record)

    found = consumer(scene)
    assert (found.is_alive, found.pending, found.host, found.pid) == (False, 1, "", None)
    assert seen(scene).alive == 0


def test_texts_in_records_are_printable_and_capped(scene: Scene) -> None:
    scene.add(1)
    scene.group(read=1)
    scene.beat(host="\x1b[31m" + "h" * 10_000)

    host = consumer(scene).host

    assert host.isprintable()
    assert len(host) == 200


def test_thousands_of_records_are_read_up_to_a_bound(scene: Scene) -> None:
    scene.add(1)
    scene.group(read=1)
    keys, now = scene.keys("billing"), scene.now_ms()
    records = {f"c{n}": f'{{"beat":{now}}}' for n in range(5_000)}
    scene.client.hset(keys.consumers, mapping=records)

    [report] = named(scene.asking(), ["events:order"])

    assert 900 <= report.groups[0].alive <= 2_000
