"""Trouble with the transport as one state of the process: one log line when it begins, one when it is over."""

from __future__ import annotations

import logging
from threading import Lock
from time import monotonic

from .stopping import Stopping

logger = logging.getLogger("django_redis_bus.consumer")

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0


class Health:
    """Shared by the loops of a process. Thread-safe.

    Args:
        stopping: once asked to, connections are cut on purpose, which is no outage.
    """

    def __init__(self, stopping: Stopping | None = None) -> None:
        self._stopping = stopping
        self._told = False
        self._lock = Lock()
        self._ill: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self._since = 0.0

    def trouble(self, who: str, error: Exception, luck: float) -> float:
        """Note that `who` failed with `error`. Returns the seconds to wait before the next try, with jitter."""
        with self._lock:
            if not self._ill:
                self._since = monotonic()
                self._told = self._stopping is None or not self._stopping.requested
            if not self._ill and self._told:
                logger.error("Redis is unavailable; consumers wait and try again. %s", error)
            tries = self._ill[who] = self._ill.get(who, 0) + 1
        wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(tries - 1, 10))
        return wait * (1 - luck / 2)

    def refused(self, who: str, error: Exception, luck: float) -> float:
        """Note that Redis refuses what `who` alone asks for. Returns the seconds to wait before the next try."""
        tries = self._refused[who] = self._refused.get(who, 0) + 1
        if tries == 1:
            logger.error("%s: tried again until it is mended. %s", who, error)
        return float(LONGEST_WAIT_S * (1 - luck / 2))

    def fine(self, who: str) -> None:
        """Note that `who` got an answer."""
        if self._refused.pop(who, None):
            logger.warning("%s: goes on", who)
        if who not in self._ill:
            return
        with self._lock:
            self._ill.pop(who, None)
            if not self._ill and self._told:
                logger.warning("Redis is back after %.1f s", monotonic() - self._since)

    def is_ill(self, who: str) -> bool:
        """Whether the last thing `who` tried failed."""
        return who in self._ill
