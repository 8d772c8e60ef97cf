"""The outbox, as the database shows it: the rows of this run, and which of them had to wait for the relay."""

from __future__ import annotations

from django_redis_bus.models import OutboxEvent

from .reconcile import Row

TOPIC = "events:order"


class Outbox:
    """Rows about orders that are written after this object was made.

    Args:
        after: the id of a row, for those after that one.
    """

    def __init__(self, *, after: int | None = None) -> None:
        if after is None:
            after = OutboxEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
        self._rows = OutboxEvent.objects.filter(id__gt=after, topic=TOPIC)
        self._waited: set[int] = set()

    def rows(self) -> list[Row]:
        """Return the rows, oldest first."""
        columns = self._rows.order_by("id").values_list("event_id", "state")
        return [Row(event_id=event_id, state=OutboxEvent.State(state).name.lower()) for event_id, state in columns]

    def pending(self) -> set[str]:
        """Return the ids of events that are not known to be published."""
        return set(self._rows.filter(state=OutboxEvent.State.PENDING).values_list("event_id", flat=True))

    def waiting(self) -> int:
        """Return how many rows have not been published, and remember which.

        The process that writes a row publishes it before its save returns. So what waits between two saves has been
        left to the relay.
        """
        ids = set(self._rows.filter(state=OutboxEvent.State.PENDING).values_list("id", flat=True))
        self._waited |= ids
        return len(ids)

    def relayed(self) -> tuple[int, float]:
        """Return how many rows had to wait and have been published, and for how many seconds they waited at most."""
        sent = self._rows.filter(state=OutboxEvent.State.SENT).values_list("id", "created_ms", "moment_ms")
        waits_ms = [sent_ms - created_ms for row_id, created_ms, sent_ms in sent if row_id in self._waited]
        return len(waits_ms), max(waits_ms, default=0) / 1000
