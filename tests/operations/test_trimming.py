"""Trimming: what is told before is what happens."""

from __future__ import annotations

import random
from typing import Any

import pytest

from django_redis_bus.core.config import Retention
from django_redis_bus.operations import trimming
from django_redis_bus.operations.trimming import Preview
from django_redis_bus.operations.values import Count
from django_redis_bus.transport import group as link
from tests.operations.ward import Ward

HOUR_MS = 3_600_000
NOTHING = Retention(count=None, age_s=None)


def both(ward: Ward, retention: Retention) -> tuple[Count, int]:
    """Return what was told and what was done."""
    told = trimming.removable(ward.asking(), ward.topic, retention)
    return told, trimming.trim(ward.asking(), ward.topic, retention)


def fill(ward: Ward, count: int, *, old: int = 0, size: int = 1) -> list[str]:
    """Append entries, the first of them an hour old; return their ids."""
    then = ward.now_ms() - HOUR_MS
    pipe = ward.client.pipeline()
    for n in range(count):
        pipe.xadd(ward.key, {"n": "x" * size}, id=f"{then}-{n}" if n < old else "*")
    return [entry_id.decode() for entry_id in pipe.execute()]


def read(ward: Ward, group: str, count: int, *, start: str = "0", keep: Any = ()) -> None:
    """Let a group read so many entries, and ack all but those at the places `keep`."""
    ward.make_group(group, start)
    if count and (found := ward.client.xreadgroup(group, "c", {ward.key: ">"}, count=count)):
        acked = [entry_id for at, (entry_id, _) in enumerate(found[0][1]) if at not in keep]
        if acked:
            ward.client.xack(ward.key, group, *acked)


def test_it_tells_what_nobody_needs(ward: Ward) -> None:
    fill(ward, 500)
    read(ward, "billing", 400, keep={300})

    assert both(ward, Retention(count=10)) == (Count(300), 300)
    assert both(ward, Retention(count=10)) == (Count(0), 0)


def test_what_is_not_too_much_stays(ward: Ward) -> None:
    fill(ward, 300)
    read(ward, "billing", 300)

    assert both(ward, Retention(count=120)) == (Count(180), 180)


def test_without_limits_nothing_goes(ward: Ward) -> None:
    fill(ward, 10)

    assert both(ward, NOTHING) == (Count(0), 0)


def test_there_is_no_such_stream(ward: Ward) -> None:
    assert both(ward, Retention(count=1, age_s=1)) == (Count(0), 0)


def test_a_group_long_dead_holds_nothing(ward: Ward) -> None:
    fill(ward, 100)
    read(ward, "gone", 0)
    ward.client.hset(ward.keys.groups, "gone", ward.now_ms() - link.PIN_MS - 1000)

    assert both(ward, Retention(count=10)) == (Count(90), 90)


def test_it_tells_what_a_group_holds(ward: Ward) -> None:
    fill(ward, 100, old=80)
    read(ward, "fast", 90)
    read(ward, "desk", 50, keep={30})

    def seen(**limits: Any) -> Preview:
        return trimming.preview(ward.asking(), ward.topic, Retention(**limits))

    assert seen(count=10) == Preview(removable=Count(30), held=Count(60), held_by="desk")
    assert seen(count=None, age_s=60) == Preview(removable=Count(30), held=Count(50), held_by="desk")
    assert seen(count=80) == Preview(removable=Count(20))
    assert seen(count=None) == Preview(removable=Count(0))
    # And what needs nothing holds nothing
    ward.client.xgroup_destroy(ward.key, "desk")
    ward.client.xgroup_destroy(ward.key, "fast")
    assert seen(count=10) == Preview(removable=Count(90))


def test_telling_writes_nothing(ward: Ward) -> None:
    fill(ward, 100)
    read(ward, "another's", 50)

    trimming.removable(ward.asking(), ward.topic, Retention(count=10))

    assert not ward.client.exists(ward.keys.groups)


def test_counting_has_a_bound(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a group of which Redis does not know how far it is behind
    monkeypatch.setattr(trimming, "COUNTED", 2_000)
    ids = fill(ward, 9_000)
    ward.make_group("billing", ids[8_000])
    ward.client.xdel(ward.key, ids[8_500])

    told = trimming.removable(ward.asking(), ward.topic, Retention(count=10))

    assert told.at_least
    assert 2_000 <= told.number < 8_000


@pytest.mark.parametrize("seed", range(40))
def test_what_is_told_is_what_goes(ward: Ward, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given any stream: its nodes full or torn by deletions, groups at any place, with holes in what they have acked
    luck = random.Random(seed)
    length = luck.choice([1, 30, 150, 700, 2_500])
    ids = fill(ward, length, old=luck.choice([0, length // 3, length]), size=luck.choice([1, 50, 3_000]))
    for _ in range(luck.choice([0, 0, 1, 3])):
        ward.client.xdel(ward.key, *luck.sample(ids, luck.choice([1, max(1, length // 5)])))
    if luck.random() < 0.3:
        ward.client.xtrim(ward.key, minid=luck.choice(ids), approximate=luck.random() < 0.5)
    for n in range(luck.choice([0, 1, 1, 2])):
        start = luck.choice(["0", "0", "$", luck.choice(ids)])
        count = luck.choice([0, length // 2, length])
        read(
            ward,
            f"g{n}",
            count,
            start=start,
            keep=set(luck.sample(range(length), luck.choice([0, 0, min(3, length)]))),
        )
        if luck.random() < 0.2:
            ward.client.hset(ward.keys.groups, f"g{n}", ward.now_ms() - link.PIN_MS - 10_000)
    if luck.random() < 0.3:
        ward.client.xdel(ward.key, *luck.sample(ids, max(1, length // 10)))
    retention = Retention(
        count=luck.choice([None, 0, 1, length // 4, length - 1, length + 5]),
        age_s=luck.choice([None, None, 1800.0]),
    )

    told, gone = both(ward, retention)

    assert told == Count(gone)
    # And nothing is left to do.
    assert both(ward, retention) == (Count(0), 0)
