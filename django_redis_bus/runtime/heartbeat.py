"""What a consumer tells of itself, now and then: that it lives, what it has done, and what it has in hand."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from time import monotonic

from ..core.ports import GroupLink, Report
from .orders import Orders
from .settling import Counts, Settling


class Heartbeat:
    """The heartbeats of one loop. Its thread and the keeper's may ask for them."""

    def __init__(self, link: GroupLink, settling: Settling, orders: Orders) -> None:
        self._link = link
        self._settling = settling
        self._orders = orders
        self._lock = Lock()
        self._told = Counts()

    def beat(self) -> bool:
        """Send one. Returns False if another has taken the name. Raises TransportError; then the next tells it all."""
        with self._lock:
            counts = replace(self._settling.counts)
            oldest_id, since = self._settling.oldest() or (b"", monotonic())
            ours = self._link.beat(
                Report(
                    handled=counts.handled - self._told.handled,
                    failed=counts.retried - self._told.retried,
                    dead=counts.dead - self._told.dead,
                    held=len(self._settling.in_hand()),
                    oldest=oldest_id,
                    oldest_ms=int((monotonic() - since) * 1000),
                    paused=self._orders.paused,
                )
            )
            if ours:
                self._told = counts
        return ours
