"""What is logged and counted of messages that could not be read or handled."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from ...core.events import Event
from ...core.exceptions import UnreadableEntry
from ...core.gaps import Gap
from ...core.telling import loggable, printable, said

logger = logging.getLogger("django_redis_bus.listener")

COMPLAIN_S = 1.0
"""Anybody may publish anything, and much of it: of what cannot be read there is one line in this time."""


class Reading(Protocol):
    """What makes of a message what a listener takes."""

    def event(self, topic: str, data: bytes) -> Event[Any]:
        """Return the event. Raises UnreadableEntry."""

    def values(self, topic: str) -> dict[str, Any]:
        """Return the values of the wanted parameters that the topic's name holds."""

    def scrubber(self, topic: str, data: bytes, event: Event[Any] | None) -> Callable[[str], str]:
        """Return what takes out of an error's text what must not be shown."""


class Failures:
    """Those of one listener.

    Args:
        name: the listener's.
        reading: how its messages are read.
        counts: "failed" and "unreadable" are counted here.
    """

    def __init__(self, name: str, reading: Reading, counts: Counter[str]) -> None:
        self._name = name
        self._reading = reading
        self._counts = counts
        self._told_at = 0.0
        self._unreadable = 0

    def unreadable(self, error: UnreadableEntry, topic: str, data: bytes) -> None:
        """Note a message that is no event."""
        self._counts["unreadable"] += 1
        self._unreadable += 1
        if (now := monotonic()) - self._told_at >= COMPLAIN_S:
            self._told_at = now
            why = printable(self._reading.scrubber(topic, data, None)(said(error)))[:300]
            logger.warning(
                "Listener %s: a message of %s cannot be read (%s): %s. %d so far",
                self._name, printable(topic)[:200], error.reason, why, self._unreadable,
            )  # fmt: skip

    def failed(self, error: BaseException, topic: str, data: bytes, event: Event[Any] | None) -> None:
        """Note that the function failed with a message."""
        self._counts["failed"] += 1
        of = f" of type {printable(event.type)[:200]}" if event is not None and event.type else ""
        scrub = self._reading.scrubber(topic, data, event)
        self.log(f"failed with a message{of} in {printable(topic)[:200]}", error, scrub)

    def gap_failed(self, error: BaseException) -> None:
        """Note that the function for gaps failed."""
        self._counts["failed"] += 1
        self.log("on_gap failed", error)

    def log(self, what: str, error: BaseException, scrub: Callable[[str], str] = str) -> None:
        text, exc_info = loggable(error, scrub)
        logger.error("Listener %s %s.%s", self._name, what, text, exc_info=exc_info)

    def untold(self, gap: Gap) -> None:
        """Note a gap that the listener does not want to hear of."""
        if gap.reason == "overflow":  # of a lost connection there is a line already
            logger.warning("Listener %s is too slow: %s", self._name, printable(str(gap)))
