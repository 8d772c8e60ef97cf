"""The chart of what flowed: a drawing within its bounds, whatever the numbers."""

from __future__ import annotations

import pytest

from django_redis_bus.admin import charts
from django_redis_bus.operations.rates import Minute

from .reports import NOW_MS, an_hour


def a_minute(at: int = 0, **said: int | None) -> Minute:
    given: dict[str, int | None] = {"added": 0, "handled": 0, "failed": 0, "dead": 0}
    return Minute(at_ms=NOW_MS + at * 60_000, **(given | said))  # type: ignore[arg-type]


def test_bars_lie_within_the_drawing() -> None:
    minutes = [*an_hour(), a_minute(added=10**9, handled=7, failed=10**9, dead=10**9), a_minute(added=None)]
    chart = charts.throughput(minutes)
    assert len(chart.bars) == len(minutes)
    for bar in chart.bars:
        assert 0 <= bar.left < charts.WIDTH
        assert 0 <= bar.up_y <= chart.line
        assert chart.line + bar.down <= charts.HEIGHT + charts.LEAST


def test_what_happened_once_is_seen_beside_a_million() -> None:
    chart = charts.throughput([a_minute(handled=1_000_000), a_minute(handled=1, failed=1)])
    assert chart.bars[1].up == charts.LEAST
    assert chart.bars[1].down == charts.LEAST


def test_nothing_at_all_is_a_chart_as_well() -> None:
    assert charts.throughput([]).bars == ()
    chart = charts.throughput([a_minute(), a_minute(1)])
    assert [(bar.up, bar.down) for bar in chart.bars] == [(0.0, 0.0), (0.0, 0.0)]
    assert chart.top == 1


def test_the_line_of_what_was_added_has_a_gap_where_nobody_counted() -> None:
    chart = charts.throughput([a_minute(added=1), a_minute(1, added=None), a_minute(2, added=1)])
    assert chart.added.count("M") == 2
    assert chart.knows_added
    assert not charts.throughput([a_minute(added=None)]).knows_added


@pytest.mark.parametrize(("most", "top"), [(1, 1), (7, 8), (9, 10), (11, 12), (13, 15), (101, 120), (4_001, 5_000)])
def test_the_upper_edge_is_a_number_to_read(most: int, top: int) -> None:
    assert charts.throughput([a_minute(handled=most)]).top == top


def test_failed_and_dead_stand_together_and_are_summed_apart() -> None:
    chart = charts.throughput([a_minute(handled=10, failed=3, dead=2), a_minute(1, handled=10, failed=5)])
    assert chart.bars[0].down == chart.bars[1].down
    assert (chart.total_failed, chart.total_dead, chart.total_handled) == (8, 2, 20)
