"""Whether events wait in the outbox: the little that costs the same with ten rows as with ten million."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, transaction

from ..outbox import table
from ..outbox.rows import now_ms
from ..outbox.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxFacts:
    """The outbox of one database.

    Attributes:
        oldest_s: for how long the first event that is due has been; None if none is.
        parked: whether some were given up on.
    """

    database: str
    oldest_s: float | None
    parked: bool


def outbox_facts(alias: str) -> OutboxFacts | None:
    """Return what waits for a bus in the database that the outbox is written to by default.

    None if it has no outbox, or cannot be asked.
    """
    using = table.default()
    try:
        # In a savepoint if the caller is in a transaction, which a failure must not break.
        with transaction.atomic(using=using):
            return _facts(using, alias) if table.exists(using) else None
    except (DatabaseError, ImproperlyConfigured):
        return None


def _facts(using: str, alias: str) -> OutboxFacts:
    rows = table.model()._base_manager.using(using).filter(bus=alias)
    # Both by the index of what is next.
    first = rows.filter(state=State.PENDING).order_by("moment_ms", "id").values_list("moment_ms", flat=True).first()
    return OutboxFacts(
        database=using,
        oldest_s=None if first is None else max(0.0, (now_ms() - first) / 1000),
        parked=rows.filter(state=State.PARKED).exists(),
    )
