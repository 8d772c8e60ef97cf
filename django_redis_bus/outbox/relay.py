"""The relay: ships what the fast path missed, database by database, until it is told to stop."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from time import monotonic, sleep

from django.db import Error, connections

from django_redis_bus import conf
from django_redis_bus.runtime.stopping import Stopping

from . import table
from .carrying import LEASE_MS, Carrier
from .orphans import OrphanWatch, present
from .pruning import AT_ONCE, prune
from .rows import PENDING, now_ms
from .waking import Waker

logger = logging.getLogger("django_redis_bus.outbox")

NO_OUTBOX = "No database has an outbox. Run: manage.py migrate django_redis_bus"

BATCH = 500
POLL_S = 1.0
"""An idle relay looks for rows at least so often."""
FIRST_POLL_S = 0.02
PRUNE_EACH_S = 10.0
# While there is work, pruning takes no more than this of each PRUNE_EACH_S.
PRUNE_FOR_S = 0.5
ORPHANS_EACH_S = 60.0
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0
# As long as a batch under way takes mostly.
PATIENCE_S = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayOptions:
    """What `relay_outbox` was told.

    Attributes:
        buses: aliases; none is all.
        batch: rows per round trip.
        poll_s: how long an idle relay sleeps at most.
        burst: end when nothing is due.
    """

    buses: tuple[str, ...] = ()
    batch: int = BATCH
    poll_s: float = POLL_S
    burst: bool = False


class Relay:
    """Runs a loop per database and bus, side by side: one that does not answer delays no other.

    A burst serves the buses of a database in turn.

    Args:
        databases: their aliases.
        stopping: ends it; shared with whatever runs beside it.
    """

    def __init__(self, databases: Sequence[str], options: RelayOptions, stopping: Stopping) -> None:
        self._stopping = stopping
        names = options.buses or tuple(conf.configs())
        groups = [names] if options.burst else [(name,) for name in names]
        self.loops = [
            DatabaseLoop(alias, group, options, stopping, keeper=group is groups[0])
            for alias in databases
            for group in groups
        ]

    def run(self) -> None:
        """Run until asked to stop, or in a burst until nothing is due. A single loop runs in this thread."""
        if len(self.loops) == 1:
            self.loops[0].run()
            return
        threads = [Thread(target=loop.run, name=f"bus-outbox-{loop.name}", daemon=True) for loop in self.loops]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(0.1)
            if self._stopping.requested and not self._stopping.left_s:
                return

    @property
    def ended(self) -> bool:
        """Whether every loop has ended."""
        return all(loop.ended for loop in self.loops)

    def stop_soon(self) -> None:
        """Ask the loops to stop and give them a moment; called from another thread as the process ends."""
        self._stopping.request()
        end = monotonic() + PATIENCE_S
        while not self.ended and monotonic() < end:
            sleep(0.02)

    @property
    def counts(self) -> Counter[str]:
        """How many rows were "sent", how often sending one "failed", and how many were "parked"."""
        return sum((carrier.counts for loop in self.loops for carrier in loop.carriers), Counter())


class DatabaseLoop:
    """Ships the rows of one database for some buses, in turn.

    Trouble with the database is one state: one log line when it begins, one when it is over, growing waits between.

    Args:
        using: the database.
        names: the aliases of the buses.
        keeper: it also prunes, and watches for what nobody would ever ship.
    """

    def __init__(
        self, using: str, names: Sequence[str], options: RelayOptions, stopping: Stopping, *, keeper: bool
    ) -> None:
        self.using = using
        self.name = f"{using}-{'-'.join(names)}"
        self.carriers = [Carrier(using, alias, batch=options.batch, stopping=stopping) for alias in names]
        self._keeper = keeper
        self._orphans = OrphanWatch(using)
        self.ended = False
        self._options = options
        self._stopping = stopping
        self._waker = Waker(using, stopping)
        self._prune_at = monotonic() + PRUNE_EACH_S
        self._orphans_at = 0.0
        self._tries = 0
        self._since = 0.0
        self._poll_s = FIRST_POLL_S
        self._progress = (0, monotonic())

    def run(self) -> None:
        """Run until asked to stop, or in a burst until nothing is due."""
        try:
            while not self._stopping.requested:
                try:
                    wait_s = self._turn()
                    self._fine()
                    if wait_s and self._options.burst and self._is_done():
                        break
                except Exception as error:
                    self._stopping.wait(self._trouble(error))
                    continue
                if wait_s:
                    self._waker.wait(self._idle_s(wait_s))
        finally:
            self._finish()
            self._waker.close()
            self._close()
            self.ended = True

    def _turn(self) -> float:
        """Carry a batch of each bus. Returns the seconds after which there may be something to do."""
        if conf.debug():
            connections[self.using].queries_log.clear()
        if self._keeper and monotonic() >= self._orphans_at:
            self._orphans_at = monotonic() + ORPHANS_EACH_S
            self._orphans.look()
        wait_s = min(carrier.turn() for carrier in self.carriers)
        if self._keeper:
            self._prune(idle=wait_s > 0)
        return wait_s

    def _idle_s(self, wait_s: float) -> float:
        """Return for how long to sleep: rows may come at any time, so less than asked for, and longer each time."""
        sent = sum(carrier.counts["sent"] for carrier in self.carriers)
        if sent != self._progress[0]:
            self._progress = (sent, monotonic())
            self._poll_s = FIRST_POLL_S
        poll_s = min(self._poll_s, self._options.poll_s)
        self._poll_s = min(self._options.poll_s, self._poll_s * 2)
        return max(FIRST_POLL_S, min(wait_s, poll_s))

    def _is_done(self) -> bool:
        """Return whether a burst is over: what is left is for later, and what others have in hand comes to no end."""
        if any(carrier.rest_s for carrier in self.carriers):
            return False
        return not self._in_other_hands() or monotonic() - self._progress[1] > LEASE_MS / 1000 + 1

    def _in_other_hands(self) -> bool:
        names = [carrier.bus for carrier in self.carriers]
        rows = table.model()._base_manager.using(self.using).filter(bus__in=names, state=PENDING, attempts=0)
        return rows.filter(moment_ms__lte=now_ms() + LEASE_MS).exists()

    def _prune(self, *, idle: bool) -> None:
        now = monotonic()
        if now < self._prune_at:
            return
        self._prune_at = now + PRUNE_EACH_S
        retentions_s = {name: config.outbox.retention_s for name, config in conf.configs().items()}
        longest_s = max(retentions_s.values())  # for what was sent by a bus that is no more
        for bus in present(self.using):
            while prune(self.using, bus, retention_s=retentions_s.get(bus, longest_s)) == AT_ONCE:
                if self._stopping.requested or (monotonic() - now > PRUNE_FOR_S and not idle):
                    return

    # --- trouble with the database

    def _trouble(self, error: Exception) -> float:
        """Note that the database, or a turn, failed. Returns the seconds until the next try."""
        if not self._tries:
            self._since = monotonic()
            # What the database says is enough; everything else is a mistake in code.
            shown = None if isinstance(error, Error) else error
            logger.error(
                "Outbox of database %r: the relay waits and tries again. %s", self.using, error, exc_info=shown
            )
        self._close()
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self._tries, 10))
        self._tries += 1
        return wait_s * (0.5 + random.random() / 2)

    def _fine(self) -> None:
        if self._tries:
            logger.warning(
                "Outbox of database %r: the relay goes on after %.1f s", self.using, monotonic() - self._since
            )
        self._tries = 0

    def _finish(self) -> None:
        """Settle what the last turns published."""
        for carrier in self.carriers:
            with suppress(Exception):  # then others publish it after the lease, and it is added once
                carrier.close()

    def _close(self) -> None:
        """Close this thread's connection, which may be broken: the next use opens another."""
        connection = connections[self.using]
        if not connection.in_atomic_block:  # a test's
            with suppress(Exception):
                connection.close()
