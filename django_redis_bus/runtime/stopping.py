"""Being asked to stop: one value that every loop of a process looks at."""

from __future__ import annotations

from threading import Event
from time import monotonic


class Stopping:
    """Whether and until when to stop.

    Args:
        drain_s: seconds that running handlers get to finish.
    """

    def __init__(self, drain_s: float) -> None:
        self.drain_s = drain_s
        self.requested = False
        self._deadline = float("inf")
        self._asked = Event()

    def request(self) -> None:
        """Ask to stop. Asked a second time: stop now."""
        if self.requested:
            self._deadline = monotonic()
        else:
            self._deadline = monotonic() + self.drain_s
        self.requested = True
        self._asked.set()

    def wait(self, seconds: float) -> bool:
        """Sleep, or until asked to stop. Returns whether asked."""
        return self._asked.wait(seconds)

    @property
    def left_s(self) -> float:
        """Seconds until the deadline, 0 when it has passed."""
        return max(0.0, self._deadline - monotonic())
