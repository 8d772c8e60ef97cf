"""The keeper: a thread that sends heartbeats and renews leases while handlers are busy."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import Event, Thread
from time import monotonic

from ..core.exceptions import BusError
from .loop import GroupLoop

logger = logging.getLogger("django_redis_bus.consumer")

BEAT_S = 2.5
ORDERS_S = 0.5
"""Operators are obeyed within so long."""


class Keeper:
    """Keeps the loops of one process alive in the eyes of their peers."""

    def __init__(self, loops: Sequence[GroupLoop]) -> None:
        self._loops = loops
        self._stop = Event()
        shortest = min((loop.options.lease_s for loop in loops), default=30.0)
        self._tick_s = min(ORDERS_S, shortest / 6)
        self._beats: dict[GroupLoop, float] = {}
        self._thread = Thread(target=self._run, name="bus-keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._tick_s):
            for loop in self._loops:
                if loop.membership.entered and not loop.ended:
                    try:
                        self._keep(loop)
                    except BusError:
                        # The loop sees the same trouble, reports it and heals; a missed beat is made up by the next.
                        continue
                    except Exception:
                        logger.exception("%s: the keeper failed", loop.options.name)

    def _keep(self, loop: GroupLoop) -> None:
        now = monotonic()
        old = loop.settling.older_than(now - loop.options.lease_s / 3)
        if old:
            loop.settling.renewed(old, loop.link.renew(old), now)
        if now - self._beats.get(loop, 0.0) >= BEAT_S:
            self._beats[loop] = now
            if not loop.membership.heartbeat.beat():
                loop.membership.lose_name()
        # Last: whatever is wrong with it, leases are renewed.
        loop.orders.give(loop.link.orders())
