"""Rows that are sent or parked become pending again: after a failover that lost events, after a mistake was mended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db.models import F, QuerySet

from . import table
from .conflicts import retried
from .rows import PENDING
from .states import State

if TYPE_CHECKING:
    from django_redis_bus.models import OutboxEvent

_AT_ONCE = 500


def republish(
    using: str, buses: Sequence[str], *, since_ms: int, until_ms: int | None = None, most: int | None = None
) -> int:
    """Let what was sent since a moment, and is still kept, be sent again. Returns how many rows.

    Args:
        until_ms: not what was sent after this moment; None for all.
        most: no more than so many rows, those of the lowest ids; None for all.
    """
    return _pend(using, sent(using, buses, since_ms=since_ms, until_ms=until_ms), most)


def retry_parked(using: str, buses: Sequence[str]) -> int:
    """Let parked rows be tried again, as often as at first. Returns how many."""
    return _pend(using, _rows(using).filter(bus__in=buses, state=State.PARKED), None)


def retry_these(using: str, ids: Sequence[int]) -> int:
    """Let those of these rows that are parked be tried again, as often as at first. Returns how many."""
    return _pend(using, _rows(using).filter(state=State.PARKED, id__in=ids), None)


def delete_parked(using: str, ids: Sequence[int]) -> int:
    """Delete those of these rows that are parked: their events are never sent. Returns how many."""
    rows = _rows(using).filter(state=State.PARKED)
    return _each(using, sorted(ids), lambda some: rows.filter(id__in=some).delete()[0])


def sent(using: str, buses: Sequence[str], *, since_ms: int, until_ms: int | None = None) -> QuerySet[OutboxEvent]:
    """Return the rows that were sent since a moment and are still kept."""
    rows = _rows(using).filter(bus__in=buses, state=State.SENT, moment_ms__gte=since_ms)
    return rows if until_ms is None else rows.filter(moment_ms__lte=until_ms)


def _rows(using: str) -> QuerySet[OutboxEvent]:
    return table.model()._base_manager.using(using)


def _pend(using: str, rows: QuerySet[OutboxEvent], most: int | None) -> int:
    # Each once, though a relay may be at work; from the lowest on, so that none overtakes an earlier one of its key.
    ids = list(rows.order_by("id").values_list("id", flat=True)[:most])
    anew: dict[str, Any] = {"state": PENDING, "moment_ms": F("created_ms"), "lease": 0, "attempts": 0, "error": ""}
    return _each(using, ids, lambda some: rows.filter(id__in=some).update(**anew))


def _each(using: str, ids: Sequence[int], work: Callable[[Sequence[int]], int]) -> int:
    """Do work on ids, a bounded number per statement; return the sum of what it returns."""
    return sum(retried(using, partial(work, ids[at : at + _AT_ONCE])) for at in range(0, len(ids), _AT_ONCE))
