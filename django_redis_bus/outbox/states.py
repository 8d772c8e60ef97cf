"""What may become of a row."""

from __future__ import annotations

from django.db.models import IntegerChoices


class State(IntegerChoices):
    """The state of an OutboxEvent."""

    PENDING = 0, "pending"
    SCHEDULED = 1, "scheduled"
    SENT = 2, "sent"
    PARKED = 3, "parked"
