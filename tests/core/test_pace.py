from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from django_redis_bus.core.pace import TURN_S, Pace


def pace(event_s: float | None = None, *, slots: int = 1, batch: int = 100) -> Pace:
    made = Pace(slots=slots, batch=batch)
    if event_s is not None:
        made.measured(1, event_s)
    return made


def test_before_anything_is_known_a_few_are_read() -> None:
    assert pace().want(0) == 10
    assert pace(batch=3).want(0) == 3
    assert pace(slots=20).want(0) == 20


def test_slow_events_are_read_one_by_one() -> None:
    slow = pace(event_s=1.0)
    assert slow.want(0) == 1
    assert slow.want(1) == 0


def test_slow_events_fill_the_slots_that_are_free() -> None:
    slow = pace(event_s=1.0, slots=8)
    assert [slow.want(held) for held in (0, 5, 8, 9)] == [8, 3, 0, 0]


def test_fast_events_are_read_in_chunks_one_ahead() -> None:
    # Given 50 events in a turn
    fast = pace(event_s=TURN_S / 50, batch=40)
    # Then there is a chunk more, until one runs and one waits
    assert fast.want(0) == 40
    assert fast.want(60) == 40
    assert fast.want(61) == 0


def test_slower_is_believed_at_once_and_faster_by_halves() -> None:
    learning = pace(event_s=0.001)
    learning.measured(10, 10.0)
    assert learning.event_s == 1.0
    learning.measured(10, 0.0)
    assert learning.event_s == 0.5


def test_nothing_measured_changes_nothing() -> None:
    idle = pace()
    idle.measured(0, 1.0)
    assert idle.event_s is None


def test_slow_outcomes_are_told_one_by_one_and_fast_ones_by_half_chunks() -> None:
    assert pace(event_s=1.0).enough() == 1
    assert pace(event_s=0.0001, batch=100).enough() == 50
    assert pace(event_s=0.0001, batch=1).enough() == 1


@given(
    slots=st.integers(1, 64),
    batch=st.integers(1, 1_000),
    measured=st.lists(st.tuples(st.integers(0, 1_000), st.floats(0, 1e6))),
    held=st.integers(0, 10_000),
)
def test_never_more_than_can_start_soon(slots: int, batch: int, measured: list[tuple[int, float]], held: int) -> None:
    learned = Pace(slots=slots, batch=batch)
    for count, seconds in measured:
        learned.measured(count, seconds)
    want = learned.want(held)
    assert 0 <= want <= batch
    assert learned.soon >= slots
    assert want + held <= max(2 * learned.soon, slots) or want == 0
    assert 1 <= learned.enough() <= batch
    # nothing held: there is always something to read, or the loop would wait for ever
    assert learned.want(0) >= 1
