"""How much flowed, minute by minute."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from django_redis_bus.operations.rates import Minute, minutes
from tests.operations.seeing import Scene


@pytest.fixture
def count(scene: Scene) -> Counter:
    return Counter(scene)


class Counter:
    """Writes what consumers count; minutes are told backwards from now."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.now = scene.now_ms() // 60_000

    def __call__(self, ago: int, topic: str = "events:order", **counted: int | str) -> None:
        fields: Mapping[str, int | str] = {name.replace("_", " "): number for name, number in counted.items()}
        self.scene.client.hset(self.scene.keys(topic=topic).stats(self.now - ago), mapping=dict(fields))

    def seen(self, *topics: str, **options: str | int) -> dict[int, Minute]:
        found = minutes(self.scene.asking(), topics or ("events:order",), **options)  # type: ignore[arg-type]
        assert [minute.at_ms for minute in found] == sorted(minute.at_ms for minute in found)
        return {self.now - minute.at_ms // 60_000: minute for minute in found}


def test_there_are_as_many_minutes_as_asked_for(count: Counter) -> None:
    assert len(count.seen()) == 60
    assert len(count.seen(last=5)) == 5
    assert len(count.seen(last=10_000)) == 119
    assert set(count.seen().values()) == {
        Minute(at_ms=minute.at_ms, added=None, handled=0, failed=0, dead=0) for minute in count.seen().values()
    }


def test_entries_are_the_difference_to_the_latest_minute_before(count: Counter) -> None:
    count(30, added=100)
    count(29, added=150)
    count(25, added=250)
    count(24, added=7)  # made anew

    seen = count.seen()

    assert (seen[30].added, seen[29].added, seen[28].added, seen[25].added, seen[24].added) == (None, 50, None, 100, 7)


def test_the_first_minute_is_known_by_the_one_before_it(count: Counter) -> None:
    count(10, added=100)
    count(9, added=150)

    assert count.seen(last=10)[9].added == 50


def test_outcomes_are_of_all_groups_or_of_one(count: Counter) -> None:
    count(3, a_handled=5, b_handled=7, a_failed=1, b_dead=2)

    assert (count.seen()[3].handled, count.seen()[3].failed, count.seen()[3].dead) == (12, 1, 2)
    assert (count.seen(group="b")[3].handled, count.seen(group="b")[3].failed) == (7, 0)


def test_streams_are_taken_together(count: Counter) -> None:
    count(3, "one", added=10, a_handled=1)
    count(2, "one", added=15, a_handled=1)
    count(3, "two", added=100)
    count(2, "two", added=130, a_handled=5)

    seen = count.seen("one", "two")

    assert (seen[2].added, seen[2].handled) == (35, 6)


def test_what_is_no_number_and_no_hash_is_left_out(count: Counter) -> None:
    count(3, added="many", a_handled="-1", b_handled=2, c_handled="9" * 40)
    count.scene.client.set(count.scene.keys().stats(count.now - 2), "x")

    assert (count.seen()[3].added, count.seen()[3].handled, count.seen()[2].handled) == (None, 2, 0)
