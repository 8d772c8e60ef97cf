"""How much flowed through streams, minute by minute, as their consumers have counted it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..core.exceptions import BusError
from .asking import Asking

MINUTE_MS = 60_000
LONGEST = 119
"""Minutes that can be told: what was counted is kept for two hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """One minute.

    Attributes:
        at_ms: when it began, Unix ms.
        added: entries added; None where no consumer was there to see.
        handled, failed, dead: outcomes: runs that succeeded, that will be retried, that became dead letters.
    """

    at_ms: int
    added: int | None
    handled: int
    failed: int
    dead: int


def minutes(asking: Asking, topics: Sequence[str], *, group: str = "", last: int = 60) -> tuple[Minute, ...]:
    """Return the last minutes, oldest first, of all these streams together; with `group`, its outcomes alone.

    The current minute is the last of them, and not over. Raises BusError.
    """
    current = asking.now_ms() // MINUTE_MS
    shown = range(current - min(last, LONGEST) + 1, current + 1)
    asked = range(shown.start - 1, shown.stop)  # what was added in a minute shows in the difference to one before
    added: Counter[int] = Counter()
    outcomes: Counter[tuple[int, str]] = Counter()
    runs = [([asking.keys(topic).stats(minute) for minute in asked], ()) for topic in topics]
    for reply in asking.run_many("see_minutes", runs):
        if isinstance(reply, BusError):  # not permitted for this stream: the others count
            continue
        counted = {minute: _numbers(flat) for minute, flat in zip(asked, reply, strict=True)}
        for minute, number in _added(counted).items():
            added[minute] += number
        for minute, numbers in counted.items():
            for field, number in numbers.items():
                name, _, outcome = field.rpartition(" ")
                if name and group in ("", name):
                    outcomes[minute, outcome] += number
    return tuple(
        Minute(
            at_ms=minute * MINUTE_MS,
            added=added.get(minute),
            handled=outcomes[minute, "handled"],
            failed=outcomes[minute, "failed"],
            dead=outcomes[minute, "dead"],
        )
        for minute in shown
    )


def _added(counted: Mapping[int, Mapping[str, int]]) -> dict[int, int]:
    """Return how many entries were added in each minute of which that is known."""
    known = [(minute, numbers["added"]) for minute, numbers in counted.items() if "added" in numbers]
    # Less than before: the stream was made anew.
    found = {
        minute: number - before if number >= before else number for (_, before), (minute, number) in pairwise(known)
    }
    if known and "from" in counted[known[0][0]]:
        # Since a consumer was there to see: what came in that minute before it, nobody has counted.
        minute, number = known[0]
        found[minute] = max(0, number - counted[minute]["from"])
    return found


def _numbers(flat: Sequence[bytes]) -> dict[str, int]:
    return {
        field.decode(errors="replace"): int(number)
        for field, number in zip(flat[::2], flat[1::2], strict=True)
        if number.isdigit() and len(number) < 19
    }
