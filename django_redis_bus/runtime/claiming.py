"""Taking what is due for a retry and what others left behind; and, on the same clock, keeping the stream in size."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from time import monotonic

from ..core.config import Retention
from ..core.ports import Delivery, GroupLink
from .timers import Timers

logger = logging.getLogger("django_redis_bus.consumer")


class Claiming:
    """One loop's claims, each when its time has come.

    Args:
        link: the consumer's connection.
        name: of the loop, for messages.
        lease_s: seconds after which a silent delivery is another's.
        retention: what to keep of the stream.
        luck: returns a random number in [0, 1).
    """

    def __init__(
        self, link: GroupLink, name: str, *, lease_s: float, retention: Retention, luck: Callable[[], float]
    ) -> None:
        self.lost = 0
        """Pending entries whose payload someone had trimmed away."""
        self._leases_first = False
        self._link = link
        self._name = name
        self._lease_ms = int(lease_s * 1000)
        self._retention = retention
        self._timers = Timers(lease_s=lease_s, luck=luck)

    def entered(self) -> None:
        """The consumer has its name: look for retries, and for what is pending under that name, at once."""
        self._timers.entered(monotonic())

    @property
    def searching(self) -> bool:
        """Whether the look at what there is to claim is still under way."""
        return self._timers.searching

    def look_now(self) -> None:
        """Look for due retries once more."""
        self._timers.look_now(monotonic())

    def look_at_leases(self) -> None:
        """Look for expired leases, and for what was released, once more."""
        self._timers.look_at_leases(monotonic())

    def until_next_ms(self, longest_ms: int) -> int:
        """Return how long an idle read may block."""
        return self._timers.until_next_ms(monotonic(), longest_ms)

    def is_time(self) -> bool:
        """Whether `claim` has anything to do."""
        return self._timers.any_due(monotonic())

    def tidy(self) -> None:
        """Trim and remove idle consumers, if it is time."""
        if self._timers.due_tidy(monotonic()):
            removed = self._link.tidy(self._retention)
            self._timers.tidied(monotonic(), more=removed > 10_000)

    def claim(self, room: int, in_hand: Callable[[bool], Sequence[bytes]], *, suspects: bool) -> list[Delivery]:
        """Do what is most due. Returns what was taken, at most `room`; a suspect comes alone, and only if wanted."""
        now = monotonic()
        # In turn, if both are due: neither may keep the other waiting for ever.
        self._leases_first = not self._leases_first
        leases_first = self._leases_first and self._timers.due_leases(now)
        if self._timers.due_retries(now) and not leases_first:
            claimed = self._link.claim_due(room, suspects)
            self._timers.retries_claimed(monotonic(), more=len(claimed.deliveries) >= room)
        elif self._timers.due_leases(now):
            own = self._timers.own
            claimed = self._link.claim_expired(room, self._lease_ms, self._timers.cursor, own, in_hand(own), suspects)
            self._timers.leases_claimed(monotonic(), claimed.cursor, found=bool(claimed.deliveries))
        else:
            return []
        if claimed.lost:
            self.lost += len(claimed.lost)
            logger.error(
                "%s: %d pending entries had been trimmed away by someone before they were handled, the first is %s",
                self._name, len(claimed.lost), claimed.lost[0].decode(),
            )  # fmt: skip
        return claimed.deliveries
