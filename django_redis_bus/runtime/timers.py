"""When to look for retries, for expired leases, and after the stream's size: jittered, so that consumers spread."""

from __future__ import annotations

from collections.abc import Callable

RETRIES_S = 0.5
TIDY_S = 10.0
NOW = 0.0


class Timers:
    """Times on the monotonic clock, in seconds; every method takes the present as `now`."""

    def __init__(self, *, lease_s: float, luck: Callable[[], float]) -> None:
        self._leases_s = max(0.25, min(lease_s / 5, 10.0))
        self._luck = luck
        self._retries = self._leases = NOW
        self._tidy = float("inf")
        self.cursor = b"-"
        self.own = True
        """Looking for what is pending under our own name: a predecessor's, or replies that never arrived."""
        self._quiet = self._calm = False

    def entered(self, now: float) -> None:
        """The consumer entered its group, for the first time or again: look at everything soon."""
        self._retries = self._leases = now
        if self._tidy == float("inf"):
            self._tidy = now + self._spread(TIDY_S)
        self.own = True
        self._quiet = False
        self.look_at_leases(now)

    def _spread(self, seconds: float) -> float:
        return seconds * (0.75 + self._luck() / 2)

    def any_due(self, now: float) -> bool:
        return now >= self._retries or now >= self._leases or now >= self._tidy

    def until_next_ms(self, now: float, longest_ms: int) -> int:
        """Return how long an idle read may block, at least 1 (0 would be for ever)."""
        soonest = min(self._retries, self._leases, self._tidy)
        return max(1, min(longest_ms, int((soonest - now) * 1000)))

    @property
    def searching(self) -> bool:
        """Whether the look at retries and leases is still under way."""
        return self.own or not (self._quiet and self._calm)

    def look_now(self, now: float) -> None:
        """Look for retries once more."""
        self._retries = now
        self._quiet = False

    def look_at_leases(self, now: float) -> None:
        """Look for leases once more, from the beginning."""
        self.cursor = b"-"
        self._leases = now
        self._calm = False

    def due_retries(self, now: float) -> bool:
        return now >= self._retries

    def retries_claimed(self, now: float, *, more: bool) -> None:
        self._retries = now if more else now + self._spread(RETRIES_S)
        self._quiet = not more

    def due_leases(self, now: float) -> bool:
        return now >= self._leases

    def leases_claimed(self, now: float, cursor: bytes, *, found: bool) -> None:
        """Take in where a claim stopped; a full round ends the look at our own name and starts the pause."""
        self.cursor = cursor
        if cursor != b"-":
            self._leases = now
        elif self.own:
            self.own = False
            self._leases = now
        else:
            self._calm = not found
            self._leases = now if found else now + self._spread(self._leases_s)

    def due_tidy(self, now: float) -> bool:
        return now >= self._tidy

    def tidied(self, now: float, *, more: bool) -> None:
        self._tidy = now + (1.0 if more else self._spread(TIDY_S))
