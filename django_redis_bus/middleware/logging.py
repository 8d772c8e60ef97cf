"""Logging: one line per outcome, with the facts also as `extra` for structured formatters."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ..core.events import Event
from ..core.handlers import Handler
from ..core.policy import Ack, Decision, Reject, RetryLater
from ..core.ports import Delivery
from ..core.telling import loggable, printable, said
from . import Middleware

logger = logging.getLogger("django_redis_bus.outcome")

ERROR_CHARS = 300


class Logging(Middleware):
    """Handled at INFO, retries at WARNING, dead letters at ERROR with the traceback. Payloads are never logged."""

    def wants_acks(self) -> bool:
        return logger.isEnabledFor(logging.INFO)

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
                self._log(logging.INFO, "handled", handler, event, delivery, seconds)
        elif isinstance(decision, RetryLater):
            reason = _safe(decision.scrub(said(decision.error, repr)))
            what = f"will be retried in {decision.wait_s:.1f} s: {reason}"
            self._log(logging.WARNING, what, handler, event, delivery, seconds)
        else:
            error = decision.error
            reason = _safe(decision.scrub(said(error) or said(error, repr)))
            what = f"is a dead letter ({decision.reason}): {reason}"
            # A Reject is an answer, not an accident: where it was raised does not matter.
            shown = None if isinstance(error, Reject) else error
            self._log(logging.ERROR, what, handler, event, delivery, seconds, shown, decision.scrub)

    def _log(
        self,
        level: int,
        what: str,
        handler: Handler | None,
        event: Event[Any] | None,
        delivery: Delivery,
        seconds: float,
        error: BaseException | None = None,
        scrub: Callable[[str], str] = str,
    ) -> None:
        traceback, exc_info = loggable(error, scrub)
        entry_id = delivery.entry_id.decode(errors="replace")
        facts = {
            "bus_stream": self.stream,
            "bus_group": self.group,
            "bus_handler": handler.name if handler else None,
            "bus_type": _safe(event.type) if event else None,
            "bus_key": _safe(event.key) if event and event.key else None,
            "bus_event_id": _safe(event.id) if event else None,
            "bus_entry_id": entry_id,
            "bus_attempt": delivery.attempt,
            "bus_seconds": round(seconds, 6),
        }
        logger.log(
            level,
            "%s %s %s (group %s, %s, attempt %d, %.1f ms) %s",
            self.stream, entry_id, facts["bus_type"] or "untyped", self.group,
            facts["bus_handler"] or "not read", delivery.attempt, seconds * 1000, what + traceback,
            extra=facts,
            exc_info=exc_info,
        )  # fmt: skip


def _safe(text: str) -> str:
    return printable(text[:ERROR_CHARS])
