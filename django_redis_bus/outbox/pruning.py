"""Sent rows are kept for a while, for a repair after a failover, and go in small batches."""

from __future__ import annotations

from django.db import connections

from . import table
from .conflicts import execute
from .rows import now_ms
from .statements import SENT, listed, statements

AT_ONCE = 1_000


def prune(using: str, bus: str, *, retention_s: float) -> int:
    """Delete up to AT_ONCE rows of a bus that were sent longer ago. Returns how many were found."""
    before_ms = now_ms() - int(retention_s * 1000)
    rows = table.model()._base_manager.using(using).filter(bus=bus, state=SENT, moment_ms__lt=before_ms)
    # By their ids, sorted: MySQL takes no LIMIT in a subquery, and two relays should not wait for each other crosswise.
    ids = sorted(rows.order_by("moment_ms", "id").values_list("id", flat=True)[:AT_ONCE])
    if ids:
        execute(using, statements(connections[using]).prune.format(ids=listed(ids)))
    return len(ids)
