"""Rows that no relay would ever take: of a bus that the settings do not have."""

from __future__ import annotations

import logging

from django.db.models import Min

from django_redis_bus import conf

from . import table
from .rows import PENDING, SCHEDULED, now_ms
from .states import State

logger = logging.getLogger("django_redis_bus.outbox")

GRACE_MS = 60_000
"""A deploy that adds a bus may start its web processes before its relays."""
AT_ONCE = 500


def park_orphans(using: str) -> int:
    """Park rows of unknown buses that are older than GRACE_MS. Returns how many."""
    known = conf.configs()
    parked = 0
    for bus in _buses(using):
        if bus not in known:
            parked += _park(using, bus)
    return parked


def _buses(using: str) -> list[str]:
    """Return the buses that rows are of. A step in the index for each: DISTINCT would read all of it."""
    rows = table.model()._base_manager.using(using)
    found: list[str] = []
    bus = rows.aggregate(first=Min("bus"))["first"]
    while bus is not None:
        found.append(bus)
        bus = rows.filter(bus__gt=bus).aggregate(first=Min("bus"))["first"]
    return found


def _park(using: str, bus: str) -> int:
    rows = table.model()._base_manager.using(using).filter(
        bus=bus, state__in=[PENDING, SCHEDULED], created_ms__lt=now_ms() - GRACE_MS
    )  # fmt: skip
    parked = 0
    while ids := list(rows.order_by("id").values_list("id", flat=True)[:AT_ONCE]):
        rows.filter(id__in=ids).update(state=State.PARKED, moment_ms=now_ms(), error=f"REDIS_BUS has no alias {bus!r}")
        parked += len(ids)
    if parked:
        logger.error(
            "Outbox of database %r: %d event(s) are parked: REDIS_BUS has no alias %r. See relay_outbox --status.",
            using, parked, bus,
        )  # fmt: skip
    return parked
