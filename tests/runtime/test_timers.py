from __future__ import annotations

import pytest

from django_redis_bus.runtime.timers import RETRIES_S, TIDY_S, Timers


def timers(lease_s: float = 30.0, luck: float = 0.5) -> Timers:
    """With this luck there is no jitter."""
    return Timers(lease_s=lease_s, luck=lambda: luck)


def test_on_entering_retries_and_leases_are_looked_at_and_tidying_waits() -> None:
    due = timers()
    due.entered(100.0)
    assert due.due_retries(100.0)
    assert due.due_leases(100.0)
    assert not due.due_tidy(100.0 + TIDY_S - 0.1)
    assert due.due_tidy(100.0 + TIDY_S)
    assert due.any_due(100.0)


def test_a_group_that_is_entered_again_and_again_is_tidied_all_the_same() -> None:
    due = timers()
    due.entered(100.0)
    due.entered(109.0)
    assert due.due_tidy(100.0 + TIDY_S)


def test_retries_are_looked_for_at_once_while_there_are_more() -> None:
    due = timers()
    due.entered(100.0)
    due.retries_claimed(100.0, more=True)
    assert due.due_retries(100.0)
    due.retries_claimed(100.0, more=False)
    assert not due.due_retries(100.0 + RETRIES_S - 0.01)
    assert due.due_retries(100.0 + RETRIES_S)


def test_leases_first_our_own_then_all_then_a_pause() -> None:
    due = timers(lease_s=30)
    due.entered(100.0)
    assert due.own
    # Given a round that is not finished, it goes on where it stopped
    due.leases_claimed(100.0, b"5-0", found=True)
    assert (due.cursor, due.own, due.due_leases(100.0)) == (b"5-0", True, True)
    # When it is, everybody's are next
    due.leases_claimed(100.0, b"-", found=True)
    assert (due.own, due.due_leases(100.0)) == (False, True)
    due.leases_claimed(100.0, b"-", found=False)
    # Then comes the pause, a fifth of a lease
    assert not due.due_leases(105.9)
    assert due.due_leases(106.0)


@pytest.mark.parametrize(("lease_s", "pause_s"), [(1, 0.25), (10, 2), (600, 10)])
def test_the_pause_between_looks_at_leases(lease_s: float, pause_s: float) -> None:
    due = timers(lease_s=lease_s)
    due.entered(100.0)
    due.leases_claimed(100.0, b"-", found=False)
    due.leases_claimed(100.0, b"-", found=False)
    assert not due.due_leases(100.0 + pause_s - 0.01)
    assert due.due_leases(100.0 + pause_s)


def test_searching_ends_when_a_whole_look_has_found_nothing() -> None:
    due = timers()
    due.entered(100.0)
    assert due.searching
    due.retries_claimed(100.0, more=False)
    due.leases_claimed(100.0, b"-", found=False)
    assert due.searching
    due.leases_claimed(100.0, b"-", found=True)
    assert due.searching
    due.leases_claimed(100.0, b"-", found=False)
    assert not due.searching
    due.look_now(101.0)
    assert due.searching
    assert due.due_retries(101.0)


def test_looking_at_leases_once_more_begins_at_the_beginning() -> None:
    due = timers()
    due.entered(100.0)
    due.leases_claimed(100.0, b"5-0", found=False)
    due.look_at_leases(101.0)
    assert (due.cursor, due.due_leases(101.0), due.searching) == (b"-", True, True)


def test_tidying_goes_on_soon_while_there_is_more() -> None:
    due = timers()
    due.tidied(100.0, more=True)
    assert due.due_tidy(101.0)
    due.tidied(101.0, more=False)
    assert not due.due_tidy(101.0 + TIDY_S - 0.1)


@pytest.mark.parametrize(("luck", "share"), [(0.0, 0.75), (0.5, 1.0), (0.999999, 1.25)])
def test_jitter_spreads_consumers_by_a_quarter_either_way(luck: float, share: float) -> None:
    due = timers(luck=luck)
    due.retries_claimed(0.0, more=False)
    assert not due.due_retries(RETRIES_S * share - 0.001)
    assert due.due_retries(RETRIES_S * share + 0.001)


def test_a_blocking_read_ends_when_something_is_due_and_is_never_for_ever() -> None:
    due = timers()
    due.entered(100.0)
    assert due.until_next_ms(100.0, 2_000) == 1
    due.retries_claimed(100.0, more=False)
    due.leases_claimed(100.0, b"-", found=False)
    due.leases_claimed(100.0, b"-", found=False)
    assert due.until_next_ms(100.0, 2_000) == 500
    assert due.until_next_ms(100.0, 200) == 200
    assert due.until_next_ms(200.0, 2_000) == 1
