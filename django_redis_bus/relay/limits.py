"""How much a client may send."""

from __future__ import annotations


class Bucket:
    """A token bucket: so many at once, and so many each second on the long run.

    Args:
        rate: per second.
        burst: at once.
        now_s: of a clock that goes forward only.
    """

    __slots__ = ("_at_s", "_burst", "_left", "_rate", "refused")

    def __init__(self, *, rate: float, burst: float, now_s: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at_s = now_s
        self.refused = 0
        """How many were refused since one was taken."""

    def take(self, now_s: float) -> bool:
        """Return whether one more is allowed now."""
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._rate)
        self._at_s = now_s
        if self._left < 1:
            self.refused += 1
            return False
        self._left -= 1
        self.refused = 0
        return True
