"""Ctrl-C, SIGTERM and a closed terminal: noted when they come, obeyed between two steps."""

from __future__ import annotations

import signal
import time

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """How often the demo was asked to stop. Once: finish in good order. Twice: leave out the waiting."""

    def __init__(self) -> None:
        # A number and no Event: a handler that runs inside Event.wait() can wait for its own lock for ever.
        self.requests = 0
        for number in SIGNALS:
            signal.signal(number, self._asked)

    def _asked(self, *args: object) -> None:
        self.requests += 1

    def sleep(self, seconds: float) -> None:
        """Sleep, but no longer than until the next signal (plus a twentieth of a second)."""
        known = self.requests
        until = time.monotonic() + seconds
        while self.requests == known and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))
