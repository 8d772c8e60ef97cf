"""Trimming: what is told before is what happens."""

from __future__ import annotations

import random
from typing import Any

import pytest

from django_redis_bus.core.config import Retention
from django_redis_bus.operations import trimming
from django_redis_bus.operations.values import Count
from django_redis_bus.transport import group as link
from tests.operations.scene import Scene

HOUR_MS = 3_600_000
NOTHING = Retention(count=None, age_s=None)


def both(scene: Scene, retention: Retention) -> tuple[Count, int]:
    """Return what was told and what was done."""
    told = trimming.removable(scene.asking(), scene.topic, retention)
    return told, trimming.trim(scene.asking(), scene.topic, retention)


def fill(scene: Scene, count: int, *, old: int = 0, size: int = 1) -> list[str]:
    """Append entries, the first of them an hour old; return their ids."""
    then = scene.now_ms() - HOUR_MS
    pipe = scene.client.pipeline()
    for n in range(count):
        pipe.xadd(scene.key, {"n": "x" * size}, id=f"{then}-{n}" if n < old else "*")
    return [entry_id.decode() for entry_id in pipe.execute()]


def read(scene: Scene, group: str, count: int, *, start: str = "0", keep: Any = ()) -> None:
    """Let a group read so many entries, and ack all but those at the places `keep`."""
    scene.make_group(group, start)
    if count and (found := scene.client.xreadgroup(group, "c", {scene.key: ">"}, count=count)):
        acked = [entry_id for at, (entry_id, _) in enumerate(found[0][1]) if at not in keep]
        if acked:
            scene.client.xack(scene.key, group, *acked)


def test_it_tells_what_nobody_needs(scene: Scene) -> None:
    fill(scene, 500)
    read(scene, "billing", 400, keep={300})

    assert both(scene, Retention(count=10)) == (Count(300), 300)
    assert both(scene, Retention(count=10)) == (Count(0), 0)


def test_what_is_not_too_much_stays(scene: Scene) -> None:
    fill(scene, 300)
    read(scene, "billing", 300)

    assert both(scene, Retention(count=120)) == (Count(180), 180)


def test_without_limits_nothing_goes(scene: Scene) -> None:
    fill(scene, 10)

    assert both(scene, NOTHING) == (Count(0), 0)


def test_there_is_no_such_stream(scene: Scene) -> None:
    assert both(scene, Retention(count=1, age_s=1)) == (Count(0), 0)


def test_a_group_long_dead_holds_nothing(scene: Scene) -> None:
    fill(scene, 100)
    read(scene, "gone", 0)
    scene.client.hset(scene.keys.groups, "gone", scene.now_ms() - link.PIN_MS - 1000)

    assert both(scene, Retention(count=10)) == (Count(90), 90)


def test_telling_writes_nothing(scene: Scene) -> None:
    fill(scene, 100)
    read(scene, "another's", 50)

    trimming.removable(scene.asking(), scene.topic, Retention(count=10))

    assert not scene.client.exists(scene.keys.groups)


def test_counting_has_a_bound(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a group of which Redis does not know how far it is behind
    monkeypatch.setattr(trimming, "COUNTED", 2_000)
    ids = fill(scene, 9_000)
    scene.make_group("billing", ids[8_000])
    scene.client.xdel(scene.key, ids[8_500])

    told = trimming.removable(scene.asking(), scene.topic, Retention(count=10))

    assert told.at_least
    assert 2_000 <= told.number < 8_000


@pytest.mark.parametrize("seed", range(40))
def test_what_is_told_is_what_goes(scene: Scene, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given any stream: its nodes full or torn by deletions, groups at any place, with holes in what they have acked
    luck = random.Random(seed)
    length = luck.choice([1, 30, 150, 700, 2_500])
    ids = fill(scene, length, old=luck.choice([0, length // 3, length]), size=luck.choice([1, 50, 3_000]))
    for _ in range(luck.choice([0, 0, 1, 3])):
        scene.client.xdel(scene.key, *luck.sample(ids, luck.choice([1, max(1, length // 5)])))
    if luck.random() < 0.3:
        scene.client.xtrim(scene.key, minid=luck.choice(ids), approximate=luck.random() < 0.5)
    for n in range(luck.choice([0, 1, 1, 2])):
        start = luck.choice(["0", "0", "$", luck.choice(ids)])
        count = luck.choice([0, length // 2, length])
        read(
            scene,
            f"g{n}",
            count,
            start=start,
            keep=set(luck.sample(range(length), luck.choice([0, 0, min(3, length)]))),
        )
        if luck.random() < 0.2:
            scene.client.hset(scene.keys.groups, f"g{n}", scene.now_ms() - link.PIN_MS - 10_000)
    if luck.random() < 0.3:
        scene.client.xdel(scene.key, *luck.sample(ids, max(1, length // 10)))
    retention = Retention(
        count=luck.choice([None, 0, 1, length // 4, length - 1, length + 5]),
        age_s=luck.choice([None, None, 1800.0]),
    )

    told, gone = both(scene, retention)

    assert told == Count(gone)
    # And nothing is left to do.
    assert both(scene, retention) == (Count(0), 0)
