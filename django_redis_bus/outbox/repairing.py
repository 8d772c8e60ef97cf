"""Rows that are sent or parked become pending again: after a failover that lost events, after a mistake was mended."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from django.db.models import F

from . import table
from .conflicts import retried
from .rows import PENDING
from .states import State

_AT_ONCE = 500


def republish(using: str, buses: Sequence[str], *, since_ms: int) -> int:
    """Let all that was sent since a moment, and is still kept, be sent again. Returns how many rows."""
    return _pend(using, buses, State.SENT, since_ms)


def retry_parked(using: str, buses: Sequence[str]) -> int:
    """Let parked rows be tried again, as often as at first. Returns how many."""
    return _pend(using, buses, State.PARKED, 0)


def _pend(using: str, buses: Sequence[str], state: State, since_ms: int) -> int:
    rows = table.model()._base_manager.using(using).filter(bus__in=buses, state=state, moment_ms__gte=since_ms)
    # Each once, though a relay may be at work; from the lowest on, so that none overtakes an earlier one of its key.
    ids = list(rows.order_by("id").values_list("id", flat=True))
    count = 0
    for at in range(0, len(ids), _AT_ONCE):
        some = rows.filter(id__in=ids[at : at + _AT_ONCE])
        count += retried(
            using, partial(some.update, state=PENDING, moment_ms=F("created_ms"), lease=0, attempts=0, error="")
        )
    return count
