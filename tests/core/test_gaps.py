"""Gaps as values."""

from __future__ import annotations

import pytest

from django_redis_bus.core.gaps import Gap, together


def test_it_says_what_is_missing() -> None:
    assert str(Gap(topics=("a", "b*"), reason="lost", seconds=1.25)) == "messages may be missing (lost, 1.2 s): a, b*"
    assert str(Gap(topics=("a",), reason="overflow", seconds=0, missed=1200)).startswith("1,200 messages are missing")


def test_two_become_one() -> None:
    first = Gap(topics=("a",), reason="overflow", seconds=1, missed=3)
    second = Gap(topics=("a", "b"), reason="lost", seconds=2)

    assert together(None, first) is first
    assert together(first, second) == Gap(topics=("a", "b"), reason="lost", seconds=3, missed=None)
    assert together(first, first).missed == 6


def test_it_is_a_value() -> None:
    with pytest.raises(AttributeError):
        Gap(topics=(), reason="lost", seconds=0).seconds = 1.0  # type: ignore[misc]
