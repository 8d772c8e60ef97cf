"""Being asked to stop: one value that every loop of a process looks at."""

from __future__ import annotations

from time import monotonic, sleep

SLICE_S = 0.1


class Stopping:
    """Whether and until when to stop.

    `request` is called from signal handlers, which may interrupt any line of the main thread. So there is no lock here,
    not even one inside a threading.Event: those who wait look again every SLICE_S.

    Args:
        drain_s: seconds that running handlers get to finish.
    """

    def __init__(self, drain_s: float) -> None:
        self.drain_s = drain_s
        self.requested = False
        self._deadline = float("inf")

    def request(self) -> None:
        """Ask to stop. Asked a second time: stop now."""
        self._deadline = monotonic() + (0 if self.requested else self.drain_s)
        self.requested = True

    def wait(self, seconds: float) -> bool:
        """Sleep for `seconds`, or until asked to stop. Returns whether asked."""
        end = monotonic() + seconds
        while not self.requested and (left := end - monotonic()) > 0:
            sleep(min(SLICE_S, left))
        return self.requested

    @property
    def left_s(self) -> float:
        """Seconds until the deadline, 0 when it has passed."""
        return max(0.0, self._deadline - monotonic())
