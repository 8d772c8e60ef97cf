"""How much flowed through streams, minute by minute, as their consumers have counted it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .asking import Asking


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
    raise NotImplementedError
