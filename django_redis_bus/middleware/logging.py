"""Logging: one line per outcome, with the facts also as `extra` for structured formatters."""

from __future__ import annotations

import logging
from typing import Any

from ..core.events import Event
from ..core.handlers import Handler
from ..core.policy import Ack, Decision, RetryLater
from ..core.ports import Delivery
from . import Middleware

logger = logging.getLogger("django_redis_bus.outcome")

ERROR_CHARS = 300


class Logging(Middleware):
    """Handled at INFO, retries at WARNING, dead letters at ERROR with the traceback. Payloads are never logged."""

    def outcome(
        self,
        handler: Handler | None,
        event: Event[Any] | None,
        delivery: Delivery,
        decision: Decision,
        seconds: float,
    ) -> None:
        if isinstance(decision, Ack):
            if handler is not None and logger.isEnabledFor(logging.INFO):
                _log(logging.INFO, "handled", handler, event, delivery, seconds)
        elif isinstance(decision, RetryLater):
            what = f"will be retried in {decision.wait_s:.1f} s: {_safe(repr(decision.error))}"
            _log(logging.WARNING, what, handler, event, delivery, seconds)
        else:
            what = f"is a dead letter ({decision.reason}): {_safe(str(decision.error) or repr(decision.error))}"
            _log(logging.ERROR, what, handler, event, delivery, seconds, decision.error)


def _log(
    level: int,
    what: str,
    handler: Handler | None,
    event: Event[Any] | None,
    delivery: Delivery,
    seconds: float,
    error: BaseException | None = None,
) -> None:
    entry_id = delivery.entry_id.decode(errors="replace")
    facts = {
        "bus_handler": handler.name if handler else None,
        "bus_group": handler.group if handler else None,
        "bus_stream": event.topic if event else None,
        "bus_type": _safe(event.type) if event else None,
        "bus_event_id": _safe(event.id) if event else None,
        "bus_entry_id": entry_id,
        "bus_attempt": delivery.attempt,
        "bus_seconds": round(seconds, 6),
    }
    logger.log(
        level,
        "%s %s (%s, attempt %d, %.1f ms) %s",
        facts["bus_stream"] or "entry", entry_id, facts["bus_handler"] or "unreadable", delivery.attempt,
        seconds * 1000, what,
        extra=facts,
        exc_info=error if error is not None and error.__traceback__ is not None else None,
    )  # fmt: skip


def _safe(text: str) -> str:
    """What came over the wire may hold line breaks and terminal codes; a log line must not."""
    return "".join(c if c.isprintable() else "�" for c in text[:ERROR_CHARS])
