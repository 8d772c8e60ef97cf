from __future__ import annotations

import pytest

from example_project.demo.hearing import Gap, Heard, Item, Message, Position, Start, hear, others, unheard


def at(n: int, epoch: str = "a") -> Position:
    return Position(epoch, n)


def message(n: int, epoch: str = "a") -> Message:
    return Message(at(n, epoch), f"{epoch}{n}")


def heard(*log: Item) -> Heard:
    """What she made of a channel whose newest message is the fourth."""
    return hear("ada", log, at(4), {at(4): "a4"})


@pytest.mark.parametrize(
    "log",
    [
        [Start(None), message(1), message(2), message(3), message(4)],
        [Start(at(2)), message(3), message(4)],
        [Start(at(4))],
    ],
)
def test_each_message_once_and_in_order_reconciles(log: list[Item]) -> None:
    assert heard(*log).differences == ()


def test_a_channel_in_which_nothing_was_said_reconciles() -> None:
    assert hear("ada", [Start(None)], None, {}).differences == ()


def test_a_reported_gap_reconciles_and_is_counted() -> None:
    # Given two gaps: one whose size the server knows, and one after which another epoch began
    known = heard(Start(None), message(1), Gap(at(3), 2), message(4))
    fresh = heard(Start(at(7, "b")), Gap(at(3), None), message(4))
    # Then nothing is wrong, and they are counted
    assert (known.differences, known.gaps, known.missed) == ((), 1, 2)
    assert (fresh.differences, fresh.gaps, fresh.missed) == ((), 1, 0)


@pytest.mark.parametrize(
    ("log", "difference"),
    [
        ([Start(at(1)), message(2), message(4)], "ada never received, and was not told: 3 to 3"),
        ([Start(at(1)), message(2)], "ada never received, and was not told: 3 to 4"),
        ([Start(at(9, "b")), message(3), message(4)], "ada never received, and was not told: 1 to 2"),
        ([Start(at(2)), message(3), message(3), message(4)], "ada received twice or too late: 3"),
        ([Start(at(2)), message(4), message(3)], "ada received twice or too late: 3"),
        ([Start(at(3)), Message(at(4), "x")], "ada received something else than Redis has: 4"),
        ([], "ada never received, and was not told: 1 to 4"),
    ],
)
def test_a_loss_that_nobody_reported_does_not_reconcile(log: list[Item], difference: str) -> None:
    assert difference in heard(*log).differences


def test_what_was_said_has_to_be_heard_or_reported() -> None:
    whole, broken = heard(Start(at(3)), message(4)), heard(Start(at(3)), Gap(at(4), 1))
    assert unheard("ada", ["a4"], whole) == []
    assert unheard("ada", ["a4", "x"], whole) == ["said, but ada did not receive: x"]
    assert unheard("ada", ["a4", "x"], broken) == []


def test_strangers_are_counted() -> None:
    assert others({"a3"}, heard(Start(at(2)), message(3), message(4))) == 1
