from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from django_redis_bus.core.ports import Delivery
from django_redis_bus.runtime.lanes import Lanes
from tests.runtime.examples import delivery


def keyed(number: int, key: str | None) -> Delivery:
    return delivery(number, ce_partitionkey=None if key is None else key.encode())


def test_deliveries_without_a_key_never_wait() -> None:
    lanes = Lanes()
    assert all(lanes.admit(keyed(n, None)) for n in range(3))
    assert lanes.finished(keyed(0, None)) is None


def test_deliveries_of_a_key_wait_for_each_other_in_order() -> None:
    lanes = Lanes()
    one, two, three, other = keyed(1, "a"), keyed(2, "a"), keyed(3, "a"), keyed(4, "b")
    assert [lanes.admit(each) for each in (one, two, three, other)] == [True, False, False, True]
    assert lanes.finished(one) is two
    assert lanes.finished(two) is three
    assert lanes.finished(three) is None
    # the lane is free again
    assert lanes.admit(keyed(5, "a"))


def test_what_waits_can_be_taken_back_and_the_key_stays_taken() -> None:
    lanes = Lanes()
    one, two = keyed(1, "a"), keyed(2, "a")
    lanes.admit(one)
    lanes.admit(two)
    assert lanes.take_back() == [two]
    assert lanes.take_back() == []
    assert not lanes.admit(keyed(3, "a"))


def test_an_entry_that_cannot_be_read_does_not_stop_the_lanes() -> None:
    broken = Delivery(b"1-0", [b"ce_partitionkey"])
    lanes = Lanes()
    assert lanes.admit(broken)
    assert lanes.finished(broken) is None


@given(keys=st.lists(st.sampled_from([None, "a", "b", "c"])), order=st.randoms(use_true_random=False))
def test_one_of_a_key_at_a_time_all_of_them_and_in_order(keys: list[str | None], order: object) -> None:
    # Given deliveries that finish in any order
    lanes = Lanes()
    running: list[tuple[str | None, Delivery]] = []
    finished: list[tuple[str | None, Delivery]] = []
    for number, key in enumerate(keys):
        each = keyed(number, key)
        if lanes.admit(each):
            running.append((key, each))
    while running:
        taken = [key for key, _ in running if key is not None]
        assert len(set(taken)) == len(taken)
        key, each = running.pop(order.randrange(len(running)))  # type: ignore[attr-defined]
        finished.append((key, each))
        following = lanes.finished(each)
        if following is not None:
            running.append((key, following))
    # Then none is forgotten, and those of a key kept their order
    assert len(finished) == len(keys)
    for wanted in ("a", "b", "c"):
        ids = [int(each.entry_id[:-2]) for key, each in finished if key == wanted]
        assert ids == sorted(ids)
    assert lanes._waiting == {}
