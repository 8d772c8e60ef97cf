"""After the commit, the process that wrote rows publishes them at once, in one round trip, and marks them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

from django.db import connections

from django_redis_bus.core.events import Message
from django_redis_bus.core.exceptions import BusError

from . import leases
from .claiming import in_order
from .rows import Row, now_ms
from .statements import listed, sent_soon
from .waking import notify

logger = logging.getLogger("django_redis_bus.outbox")

NOBODY = 0
"""The lease of rows that no relay has in hand."""


class Attempts(Protocol):
    """What sends: `sending.Sender`."""

    def attempt(self, messages: Sequence[Message], deadline_s: float | None = None) -> Sequence[object]:
        """Return what Redis made of each message; a BusError where it could not be added."""


def ship(sender: Attempts, rows: Sequence[Row], using: str) -> None:
    """Publish rows that have just been committed to `using`. What cannot leave now is left to the relay.

    Never raises: the change is committed and its events are safe.
    """
    try:
        sendable, waiting = in_order(using, rows)
        results = sender.attempt([row.message for row in sendable]) if sendable else ()
        sent = [row.id for row, result in zip(sendable, results, strict=True) if not isinstance(result, BusError)]
        if sent:
            _mark(using, sent)
        if waiting:
            # Behind events of their keys that somebody else has in hand: the relay need not wait for our hold.
            for moment_ms, ids in _by_moment(waiting).items():
                leases.postpone(using, NOBODY, ids, to_ms=moment_ms)
            notify(using)
    except Exception:
        logger.warning("Outbox of database %r: rows are left to the relay", using, exc_info=True)


def _by_moment(waiting: Mapping[int, int]) -> Mapping[int, list[int]]:
    found: dict[int, list[int]] = {}
    for row_id, moment_ms in waiting.items():
        found.setdefault(moment_ms, []).append(row_id)
    return found


def _mark(using: str, ids: Sequence[int]) -> None:
    """Note that rows were published. One try: what meets a lock here, the relay notes."""
    connection = connections[using]
    sql, now = sent_soon(connection), now_ms()
    with connection.cursor() as cursor:
        if len(ids) == 1 and connection.vendor == "sqlite":
            # It keeps what it has made of a text, so one that stays the same costs half.
            cursor.execute(sql.format(now="%s", ids="%s"), [now, *ids])
        else:
            cursor.execute(sql.format(now=now, ids=listed(ids)))
