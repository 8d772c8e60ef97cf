"""Values that several operations have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Count(NamedTuple):
    """A number that counting may have stopped at."""

    number: int
    at_least: bool = False
    """There are so many or more: counting has a bound."""

    def __str__(self) -> str:
        return f"{'≥ ' if self.at_least else ''}{self.number:,}"


ZERO = Count(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Some of a long list.

    Attributes:
        items: in the order of the list.
        following: where the next page begins, to be given back; None at the end of the list.
        looked_at: how many were looked at to find these.
        cut_short: looking has ended at its bound and not because enough was found; `following` goes on from there.
    """

    items: tuple[T, ...]
    following: str | None = None
    looked_at: int = 0
    cut_short: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """What an act has done.

    Attributes:
        done: entries it was done to.
        left_alone: why it was not done to others -> how many. "running": a live consumer has it in hand; "gone": it is
            not there (any more); "changed": meanwhile it is not what was looked for; "theirs already": its owner is
            whom it is claimed for; "trimmed": its payload is gone from the stream; "no group": the group of a dead
            letter is not there; "unreadable": no bus wrote this dead letter; "too many fields" to copy it.
        more: more matched than are done in one go, or the time was over; do it again for the rest.
        following: where the rest begins, to be given back as `after`; "" if it begins anew.
    """

    done: int = 0
    left_alone: Mapping[str, int] = field(default_factory=dict)
    more: bool = False
    following: str = ""

    def plus(self, other: Acted) -> Acted:
        """Return both together; what is left is what `other` has left."""
        reasons = {*self.left_alone, *other.left_alone}
        total = {reason: self.left_alone.get(reason, 0) + other.left_alone.get(reason, 0) for reason in reasons}
        return Acted(done=self.done + other.done, left_alone=total, more=other.more, following=other.following)
