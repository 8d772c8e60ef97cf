"""What may become of a row."""

from __future__ import annotations

from django.db.models import IntegerChoices
from django.utils.translation import gettext_lazy as _


class State(IntegerChoices):
    """The state of an OutboxEvent."""

    PENDING = 0, _("pending")
    SCHEDULED = 1, _("scheduled")
    SENT = 2, _("sent")
    PARKED = 3, _("parked")
