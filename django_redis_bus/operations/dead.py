"""Dead letters: look, redrive, discard, edit and send again, export."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..core.events import Published
from .asking import Asking
from .showing import Shown
from .values import Acted, Count, Page

AT_ONCE = 10_000
"""So many are acted on in one go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A dead letter.

    Attributes:
        dead_id: its own id, in the stream of dead letters.
        group: that gave it up.
        entry_id: that it had in the stream.
        reason: one of core.policy.Reason.
        error, traceback: as far as who asks may see them.
        attempts: runs.
        consumer: that gave it up.
        first_ms, last_ms: when it failed first and last, Unix ms; None where it does not say.
        shown: what was given up.
        in_stream: whether the entry is still in the stream; None in a listing.
    """

    dead_id: str
    group: str
    entry_id: str
    reason: str
    error: str
    traceback: str
    attempts: int | None
    consumer: str
    first_ms: int | None
    last_ms: int | None
    shown: Shown
    in_stream: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which dead letters of a stream are meant.

    Attributes:
        group, reason, type: exactly these; "" for any.
        text: in its error or its event, whatever the case of the letters; what must not be seen is not searched.
        until: no dead id above this; "" for all. Fix it when people are shown how many are meant.
    """

    group: str = ""
    reason: str = ""
    type: str = ""
    text: str = ""
    until: str = ""


Chosen: TypeAlias = Sequence[str] | Match
"""Ids of dead letters, or all that match."""


def listing(
    asking: Asking, topic: str, match: Match, *, after: str = "", count: int = 50, payloads: bool
) -> Page[DeadLetter]:
    """Return dead letters, the newest first; `after` is the `following` of a page. Raises BusError."""
    raise NotImplementedError


def count(asking: Asking, topic: str, match: Match, *, payloads: bool) -> Count:
    """Return how many match; counting stops at AT_ONCE. Raises BusError."""
    raise NotImplementedError


def letter(asking: Asking, topic: str, dead_id: str, *, payloads: bool) -> DeadLetter | None:
    """Return one dead letter whole, None if it is not there. Raises BusError."""
    raise NotImplementedError


def redrive(asking: Asking, topic: str, chosen: Chosen, *, payloads: bool = True) -> Acted:
    """Hand dead letters to their own groups again, as if they came for the first time; other groups do not see them.

    The entry itself is pending again if it is still in the stream; else a copy of it is added that is for its group
    alone. Left alone: "gone" (no such dead letter), "no group" (its group is no longer there). Raises BusError.
    """
    raise NotImplementedError


def discard(asking: Asking, topic: str, chosen: Chosen, *, payloads: bool = True) -> Acted:
    """Throw dead letters away for good. Raises BusError."""
    raise NotImplementedError


def resend(asking: Asking, topic: str, dead_id: str, data: Any, *, everyone: bool = False) -> Published:
    """Add an edited copy of a dead letter to the stream and throw the letter away, both or neither.

    The copy has an id of its own, its causation is the event that it corrects.

    Args:
        data: plain values; must fit the payload type of its event type.
        everyone: for all groups of the stream; else for the one that gave it up.

    Raises PayloadError, LookupError if there is no such letter, BusError.
    """
    raise NotImplementedError


def export(asking: Asking, topic: str, match: Match, *, payloads: bool) -> Iterator[str]:
    """Yield matching dead letters as JSON, one per line, at most AT_ONCE.

    Each line is an object and so begins with a brace: no spreadsheet takes it for a formula. Raises BusError.
    """
    raise NotImplementedError
