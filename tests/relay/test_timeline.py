"""Where a room stands: what is next, what is known, what is missing."""

from __future__ import annotations

import pytest

from django_redis_bus.relay.timeline import KEPT_BYTES, Kept, Place, Position, Timeline, number


def at(offset: str, epoch: str = "e") -> Position:
    return Position(epoch, offset)


def a_timeline(*offsets: str, most: int = 10, known: int = 0) -> Timeline:
    timeline = Timeline(most, known)
    timeline.begin(at("0-0"))
    for offset in offsets:
        timeline.advance(at(offset), f"text {offset}")
    return timeline


@pytest.mark.parametrize(
    ("position", "place"),
    [
        (at("4-4"), Place.NEXT),
        (at("3-3"), Place.KNOWN),
        (at("1-1"), Place.KNOWN),
        (at("5-5"), Place.ELSEWHERE),  # one is missing
        (at("3-9"), Place.ELSEWHERE),  # the number was used again: Redis has lost data
        (at("4-4", "other"), Place.ELSEWHERE),
        (at("1-1", "other"), Place.FIRST),
        (at("nonsense"), Place.ELSEWHERE),
    ],
)
def test_place_of_a_message(position: Position, place: Place) -> None:
    assert a_timeline("1-1", "2-2", "3-3").place(position) is place


def test_without_an_epoch_only_the_first_message_is_next() -> None:
    timeline = Timeline(10, 0)

    assert timeline.place(at("1-5")) is Place.NEXT
    assert timeline.place(at("2-5")) is Place.ELSEWHERE


def test_after_a_place_in_memory() -> None:
    timeline = a_timeline("1-1", "2-2", "3-3")

    assert timeline.after("3-3") == []
    assert timeline.after("1-1") == [Kept("2-2", "text 2-2"), Kept("3-3", "text 3-3")]
    assert [kept.offset for kept in timeline.after("0-0") or ()] == ["1-1", "2-2", "3-3"]
    assert timeline.after("2-9") is None


def test_what_has_left_memory_is_not_called_everything() -> None:
    timeline = a_timeline("1-1", "2-2", "3-3", most=2)

    assert timeline.after("0-0") is None
    assert [kept.offset for kept in timeline.after("1-1") or ()] == ["2-2", "3-3"]
    assert timeline.newest(3) is None
    assert [kept.offset for kept in timeline.newest(2) or ()] == ["2-2", "3-3"]


def test_newest_is_all_there_is_if_nothing_has_left() -> None:
    assert [kept.offset for kept in a_timeline("1-1").newest(50) or ()] == ["1-1"]
    assert a_timeline().newest(50) == []


def test_what_was_read_at_the_beginning_need_not_be_all() -> None:
    timeline = Timeline(10, 0)
    timeline.begin(at("8-8"), [Kept("7-7", "a"), Kept("8-8", "b")])

    assert timeline.newest(3) is None
    assert timeline.after("6-6") is None
    assert timeline.after("7-7") == [Kept("8-8", "b")]
    assert timeline.place(at("9-9")) is Place.NEXT


def test_memory_is_bounded_in_characters_too() -> None:
    timeline = a_timeline()
    for n in range(1, 6):
        timeline.advance(at(f"{n}-1"), "x" * (KEPT_BYTES // 2))

    assert [kept.offset for kept in timeline.newest(2) or ()] == ["4-1", "5-1"]
    assert timeline.newest(3) is None


def test_a_message_larger_than_memory_leaves_a_true_position() -> None:
    timeline = a_timeline()
    timeline.advance(at("1-1"), "x" * (KEPT_BYTES + 1))

    assert timeline.position == at("1-1")
    assert timeline.after("0-0") is None
    assert timeline.after("1-1") == []
    assert timeline.place(at("2-2")) is Place.NEXT


def test_more_offsets_are_known_than_messages_kept() -> None:
    timeline = a_timeline(*(f"{n}-1" for n in range(1, 9)), most=2, known=5)

    assert [n for n in range(1, 9) if timeline.place(at(f"{n}-1")) is Place.KNOWN] == [4, 5, 6, 7, 8]


@pytest.mark.parametrize("offset", ["", "-", "x-1", "²-1", "-1-2", "1" * 30 + "-1"])
def test_no_number(offset: str) -> None:
    assert number(offset) == -1
