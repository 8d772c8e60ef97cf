"""Rows that cannot be published for their own sake: counted, tried again, and in the end put aside."""

from __future__ import annotations

import logging
import random
from collections import Counter, defaultdict
from collections.abc import Sequence

from . import leases
from .claiming import Claimed
from .rows import now_ms

logger = logging.getLogger("django_redis_bus.outbox")

MAX_ATTEMPTS = 10
FIRST_BACKOFF_MS = 1_000
LONGEST_BACKOFF_MS = 300_000

# How many rows a log line names.
_NAMED = 20


def fail(using: str, bus: str, lease: int, rows: Sequence[Claimed], error: str) -> Counter[str]:
    """Count a failed attempt; park what has used up its attempts. Returns how many rows "failed" and were "parked"."""
    counts = park(using, bus, lease, [row for row in rows if row.attempts + 1 >= MAX_ATTEMPTS], error)
    by_attempts: defaultdict[int, list[int]] = defaultdict(list)
    for row in rows:
        if row.attempts + 1 < MAX_ATTEMPTS:
            by_attempts[row.attempts].append(row.id)
    for attempts, ids in by_attempts.items():
        backoff_ms = min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2**attempts) * (0.8 + 0.4 * random.random())
        leases.fail(using, lease, ids, error=error, to_ms=now_ms() + int(backoff_ms))
        counts["failed"] += len(ids)
        logger.warning(
            "Outbox of database %r: %d event(s) for bus %r could not be published, and are tried again in %.0f s "
            "(rows %s): %s",
            using, len(ids), bus, backoff_ms / 1000, _named(ids), error,
        )  # fmt: skip
    return counts


def park(using: str, bus: str, lease: int, rows: Sequence[Claimed], error: str) -> Counter[str]:
    """Put rows aside for good. Returns how many were "parked"."""
    ids = [row.id for row in rows]
    if ids:
        leases.park(using, lease, ids, error=error)
        logger.error(
            "Outbox of database %r: %d event(s) for bus %r are parked (rows %s): %s. See relay_outbox --status.",
            using, len(ids), bus, _named(ids), error.rstrip("."),
        )  # fmt: skip
    return Counter(parked=len(ids)) if ids else Counter()


def _named(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids[:_NAMED])) + (", …" if len(ids) > _NAMED else "")
