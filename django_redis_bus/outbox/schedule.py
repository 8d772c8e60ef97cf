"""When the next row of a bus is due."""

from __future__ import annotations

from django.db import connections
from django.db.models import F

from . import table
from .claiming import lease_until
from .conflicts import retried
from .rows import PENDING, SCHEDULED, now_ms
from .statements import statements

FAR_MS = 600_000
"""Nothing waits for so long, so a pending row of a later moment was written by a host whose clock was ahead."""

_AT_ONCE = 500


def due_in_ms(using: str, bus: str) -> int | None:
    """Return how long it is until a row of the bus is due that nobody has in hand, 0 if one is; None if there is none.

    Scheduled rows whose time has come are pending from then on. Pending ones of a far moment are due.
    """
    connection = connections[using]
    now = now_ms()
    with connection.cursor() as cursor:
        cursor.execute(statements(connection).next.format(over=lease_until(now)), [bus, bus, bus])
        pending, scheduled, last = cursor.fetchone()
    if scheduled is not None and scheduled <= now:
        _promote(using, bus, now)
        return 0
    if last is not None and last > now + FAR_MS:
        _bring(using, bus, now)
        return 0
    moments = [moment for moment in (pending, scheduled) if moment is not None]
    return max(0, min(moments) - now) if moments else None


def _promote(using: str, bus: str, now: int) -> None:
    rows = table.model()._base_manager.using(using).filter(bus=bus, state=SCHEDULED, moment_ms__lte=now)
    ids = list(rows.order_by("moment_ms", "id").values_list("id", flat=True)[:_AT_ONCE])
    # Written before what waits for them from now on, they come before it, too.
    retried(using, lambda: rows.filter(id__in=ids).update(state=PENDING, moment_ms=F("created_ms")))


def _bring(using: str, bus: str, now: int) -> None:
    rows = table.model()._base_manager.using(using).filter(bus=bus, state=PENDING, moment_ms__gt=now + FAR_MS)
    ids = list(rows.order_by("moment_ms", "id").values_list("id", flat=True)[:_AT_ONCE])
    retried(using, lambda: rows.filter(id__in=ids).update(moment_ms=now))
