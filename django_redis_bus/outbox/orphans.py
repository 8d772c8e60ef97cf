"""Rows that no relay of these settings ever takes: of a bus that they do not have.

They may be another project's that shares the database, or those of a deploy under way: they are shown, never touched.
"""

from __future__ import annotations

import logging

from django.db.models import Min

from django_redis_bus import conf

from . import table
from .rows import PENDING, SCHEDULED, now_ms

logger = logging.getLogger("django_redis_bus.outbox")

GRACE_MS = 60_000
"""A deploy that adds a bus may start its web processes before its relays."""


def present(using: str) -> list[str]:
    """Return the buses that rows are of. A step in the index for each: DISTINCT would read all of it."""
    rows = table.model()._base_manager.using(using)
    found: list[str] = []
    bus = rows.aggregate(first=Min("bus"))["first"]
    while bus is not None:
        found.append(bus)
        bus = rows.filter(bus__gt=bus).aggregate(first=Min("bus"))["first"]
    return found


def unknown(using: str) -> list[str]:
    """Return the buses that rows are of and that the settings do not have."""
    known = conf.configs()
    return [bus for bus in present(using) if bus not in known]


class OrphanWatch:
    """Says once of each unknown bus that events wait for it.

    Args:
        using: the database.
    """

    def __init__(self, using: str) -> None:
        self._using = using
        self._said: set[str] = set()

    def look(self) -> None:
        """Log a warning for each unknown bus that is new, of which rows wait for longer than GRACE_MS."""
        waiting = table.model()._base_manager.using(self._using).filter(
            state__in=[PENDING, SCHEDULED], created_ms__lt=now_ms() - GRACE_MS
        )  # fmt: skip
        for bus in unknown(self._using):
            if bus not in self._said and waiting.filter(bus=bus).exists():
                self._said.add(bus)
                logger.warning(
                    "Outbox of database %r: events wait for bus %r, and REDIS_BUS has no such alias. No relay of these "
                    "settings takes them. See relay_outbox --status.",
                    self._using, bus,
                )  # fmt: skip
