"""Who did what: a LogEntry before each act, completed with what came of it.

Its text is English whatever the language of the page: it is a record that is searched, over all operators and years.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import cast

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, models, router, transaction
from django.http import HttpRequest

from ..core.telling import printable
from ..operations.telling import outcome, tell
from ..operations.values import Acted, Count

logger = logging.getLogger("django_redis_bus.operations")

ID_CHARS = 500
REPR_CHARS = 200
MESSAGE_CHARS = 2_000
OUTCOME_CHARS = 600
"""So much of a record is kept for what came of the act: that is never cut away."""


class Record:
    """The LogEntry of one act. It exists before the act begins: what cannot be recorded is not done.

    Args:
        request: of the operator.
        model: of the console, that the entry stands under.
        about: what it is done to, "events:order, group billing".
        said: the act and everything that was asked for, in one line.
        flag: of django.contrib.admin.models.
        object_id: if `about` is none.

    Raises DatabaseError if it cannot be written.
    """

    def __init__(
        self,
        request: HttpRequest,
        model: type[models.Model],
        about: str,
        said: str,
        *,
        flag: int = CHANGE,
        object_id: str | None = None,
    ) -> None:
        self._said = printable(said)
        self._by = printable(request.user.get_username())
        # Of its own: a failure must not spoil a transaction that the page may still need.
        with transaction.atomic(using=router.db_for_write(LogEntry)):
            self._entry = LogEntry.objects.create(
                user_id=cast("int", request.user.pk),
                content_type=ContentType.objects.get_for_model(model, for_concrete_model=False),
                object_id=printable(about if object_id is None else object_id)[:ID_CHARS],
                object_repr=printable(about)[:REPR_CHARS],
                action_flag=flag,
                change_message=_joined(self._said, "under way"),
            )

    def end(self, result: Acted | str) -> None:
        """Complete it with what came of the act. That has happened, so nothing is raised if it cannot be written."""
        tell(self._by, self._said, self._entry.object_repr, result)
        told = printable(result if isinstance(result, str) else outcome(result))
        self._entry.change_message = _joined(self._said, told)
        try:
            self._entry.save(update_fields=["change_message"])
        except DatabaseError as error:
            logger.error("LogEntry %s is not completed: %s", self._entry.pk, printable(str(error)))


def _joined(said: str, told: str) -> str:
    """Return what was asked for, and what came of it whole."""
    told = f": {_cut(told, OUTCOME_CHARS)}"
    return _cut(said, MESSAGE_CHARS - len(told)) + told


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def asked(count: Count) -> str:
    """Return how many were asked for, as the record says it."""
    return f"{'at least ' if count.at_least else ''}{count.number} asked"


def filter_of(filters: Mapping[str, object]) -> str:
    """Return what entries were chosen by, as the record says it."""
    said = " ".join(f"{name}={value!r:.200}" for name, value in filters.items() if value not in ("", 0.0, None))
    return f"all that match {said}".strip()
