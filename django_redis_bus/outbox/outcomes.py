"""What Redis made of the rows of a batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django_redis_bus.core.exceptions import AccessRefused, BusError, StreamFull, TransportError
from django_redis_bus.sending import Attempted

from .claiming import Claimed


@dataclass(slots=True, kw_only=True)
class Outcomes:
    """The rows of one batch.

    Attributes:
        sent: in their streams.
        full: their stream is at its MAX_LAG.
        refused: the user of the bus may not write there, or not at all.
        lost: nobody knows, or Redis takes nothing; by the token of the batch that may have been added.
        failed: Redis took the others, and not these; by the error.
        trouble: the first error of those that may be Redis's fault and not the rows'.
    """

    sent: list[int] = field(default_factory=list)
    full: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    lost: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    failed: defaultdict[str, list[Claimed]] = field(default_factory=lambda: defaultdict(list))
    trouble: BusError | None = None


def outcomes(rows: Sequence[Claimed], results: Sequence[Attempted]) -> Outcomes:
    """Return the rows sorted by what became of them."""
    found = Outcomes()
    for row, result in zip(rows, results, strict=True):
        if not isinstance(result, BusError):
            found.sent.append(row.id)
        elif isinstance(result, StreamFull):
            found.full.append(row.id)
        elif isinstance(result, TransportError):
            found.lost[getattr(result, "token", "")].append(row.id)
            found.trouble = found.trouble or result
        elif isinstance(result, AccessRefused):
            found.refused.append(row.id)
            found.trouble = found.trouble or result
        else:
            found.failed[str(result)].append(row)
    return found
