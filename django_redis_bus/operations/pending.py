"""Pending entries: what a group has read and not settled; look, retry, claim, ack, dead-letter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .asking import Asking
from .showing import Shown
from .values import Acted, Count, Page

State: TypeAlias = Literal["running", "waiting", "held", "silent"]
"""running: a live consumer has it in hand. waiting: for its retry. held: its handler is paused. silent: its consumer is
dead, or its lease ran out: it is taken over next."""
AT_ONCE = 10_000
"""So many entries are acted on in one go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEntry:
    """A pending entry.

    Attributes:
        consumer: its owner.
        idle_s: since its lease was last renewed.
        attempts: runs so far, as far as is known.
        next_s: seconds until its retry, negative if that is due; None if it waits for none.
        error: of its last failure, as far as who asks may see it; "" if it has not failed.
        first_ms, last_ms: when it failed first and last, Unix ms; None if it has not.
        crashes: runs alone that ended with the process.
        shown: the entry; None if it has been trimmed away.
    """

    entry_id: str
    consumer: str
    state: State
    idle_s: float
    attempts: int
    next_s: float | None = None
    error: str = ""
    first_ms: int | None = None
    last_ms: int | None = None
    crashes: int = 0
    shown: Shown | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which pending entries of a group are meant.

    Attributes:
        consumer: only this one's; "" for all.
        state: only in this state; "" for all.
        idle_s: silent for so long at least.
        error: a text in its last error, whatever the case of the letters; "" for any.
        until: no entry id above this; "" for all. Fix it when people are shown how many are meant.
    """

    consumer: str = ""
    state: State | Literal[""] = ""
    idle_s: float = 0.0
    error: str = ""
    until: str = ""


Chosen: TypeAlias = Sequence[str] | Match
"""Entry ids, or all that match."""


def listing(
    asking: Asking, topic: str, group: str, match: Match, *, after: str = "", count: int = 50, payloads: bool
) -> Page[PendingEntry]:
    """Return pending entries in the order of their ids. Raises BusError."""
    raise NotImplementedError


def count(asking: Asking, topic: str, group: str, match: Match, *, payloads: bool) -> Count:
    """Return how many match; counting stops at AT_ONCE. Raises BusError."""
    raise NotImplementedError


def retry(asking: Asking, topic: str, group: str, chosen: Chosen, *, payloads: bool = True) -> Acted:
    """Let entries be tried again now, by any consumer, counted as the attempt that they were waiting for.

    Those that run are left alone ("running"), as those that are not pending ("gone"). Raises BusError.
    """
    raise NotImplementedError


def claim(asking: Asking, topic: str, group: str, chosen: Chosen, *, to: str, payloads: bool = True) -> Acted:
    """Make a consumer the owner of entries. What waits for a retry goes on waiting for it.

    Raises ConfigurationError if the group has no consumer of this name.
    """
    raise NotImplementedError


def ack(asking: Asking, topic: str, group: str, chosen: Chosen, *, payloads: bool = True) -> Acted:
    """Settle entries as if they had been handled: this group forgets them. They stay in the stream."""
    raise NotImplementedError


def bury(
    asking: Asking, topic: str, group: str, chosen: Chosen, *, by: str, why: str = "", payloads: bool = True
) -> Acted:
    """Move entries to the dead letters, with the reason "operator"; `by` and `why` stand in their error."""
    raise NotImplementedError
