"""How much one loop may still take, and when it has done all that it was started for."""

from __future__ import annotations

from .options import LoopOptions


class Quota:
    """Follows `max_events` and `burst`.

    Args:
        options: of the loop.
    """

    def __init__(self, options: LoopOptions) -> None:
        self.used_up = False
        """It has done all that it was started for."""
        self._burst = options.burst
        self._max_events = options.max_events
        self._taken = 0
        self._looked = False

    def room(self, count: int) -> int:
        """Return `count`, or what `max_events` leaves of it."""
        if self._max_events is None:
            return count
        return max(0, min(count, self._max_events - self._taken))

    def took(self, count: int) -> None:
        """So many were taken to be run."""
        self._taken += count
        self._looked = False

    def gave_back(self, count: int) -> None:
        """So many of them did not run."""
        self._taken -= count

    def idle(self, *, searching: bool) -> bool:
        """Nothing is in hand. Returns whether to look once more before a burst ends.

        Args:
            searching: the look at what others left behind is still under way.
        """
        if self.room(1) == 0:
            self.used_up = True
        if not self._burst or searching:
            return False
        if self._looked:
            self.used_up = True
        self._looked = True
        return True
