"""What lies in the outbox of a database; shares no code with the relay, which it shows the work of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, Min, Q

from django_redis_bus import conf

from . import table
from .rows import now_ms
from .states import State

SHOWN = 20
"""How many parked events are shown in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """An event that was given up on."""

    row: int
    event_id: str
    type: str
    topic: str
    attempts: int
    at: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The rows of one bus in one database.

    Attributes:
        known: REDIS_BUS has the bus; no relay of these settings takes the rows of another.
        pending: not published yet; `failing` of them have been refused before.
        oldest_pending_s: age of the oldest of them; None if there is none.
        scheduled: for later.
        sent: published and kept.
        parked: given up on; `parked_events` names the first of them.
    """

    database: str
    bus: str
    known: bool
    pending: int
    failing: int
    oldest_pending_s: float | None
    scheduled: int
    sent: int
    parked: int
    parked_events: tuple[Parked, ...]


def report(using: str, bus: str) -> Report:
    """Return what lies in the outbox of a database for a bus."""
    rows = table.model()._base_manager.using(using).filter(bus=bus)
    pending = Q(state=State.PENDING)
    found: dict[str, Any] = rows.aggregate(
        pending=Count("id", filter=pending),
        failing=Count("id", filter=pending & Q(attempts__gt=0)),
        oldest=Min("created_ms", filter=pending),
        scheduled=Count("id", filter=Q(state=State.SCHEDULED)),
        sent=Count("id", filter=Q(state=State.SENT)),
        parked=Count("id", filter=Q(state=State.PARKED)),
    )
    oldest = found.pop("oldest")
    first = rows.filter(state=State.PARKED).order_by("moment_ms", "id") if found["parked"] else ()
    return Report(
        database=using,
        bus=bus,
        known=bus in conf.configs(),
        oldest_pending_s=None if oldest is None else max(0.0, (now_ms() - oldest) / 1000),
        parked_events=tuple(_parked(row) for row in first[:SHOWN]),
        **found,
    )


def _parked(row: Any) -> Parked:
    return Parked(
        row=row.pk,
        event_id=row.event_id,
        type=row.type,
        topic=row.topic,
        attempts=row.attempts,
        at=datetime.fromtimestamp(row.moment_ms / 1000, UTC).isoformat(timespec="seconds"),
        error=row.error,
    )
