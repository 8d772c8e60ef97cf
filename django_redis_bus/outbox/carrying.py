"""The rows of one bus in one database, on their way to Redis."""

from __future__ import annotations

import logging
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from math import inf
from time import monotonic

from django_redis_bus.bus import buses
from django_redis_bus.core.events import Message
from django_redis_bus.core.exceptions import (
    AccessRefused,
    BusError,
    CircuitOpen,
    StreamFull,
    TransportError,
    Unavailable,
    UnreadableEntry,
)
from django_redis_bus.core.keys import stream_key
from django_redis_bus.runtime.stopping import Stopping
from django_redis_bus.sending import Attempted
from django_redis_bus.transport.probing import lets_in, takes_writes

from . import leases
from .claiming import WAIT_MS, WHO_BITS, Blocker, Claimed, Lease, after, claim, sort_out
from .rows import message_of, now_ms
from .schedule import due_in_ms

logger = logging.getLogger("django_redis_bus.outbox")

LEASE_MS = 10_000
"""Rows of a relay that died are taken over after so long."""
DEADLINE_S = 5.0
"""A batch may take longer than an event of a web request, and has to be done within the lease."""
MAX_ATTEMPTS = 10
FIRST_BACKOFF_MS = 1_000
LONGEST_BACKOFF_MS = 300_000
FULL_MS = 1_000
"""How soon a stream at its MAX_LAG is tried again."""
REFUSED_MS = 30_000
"""How soon a stream is tried again that the user of the bus may not write to."""
STUCK_S = 0.3
"""Rows are looked at again and again while the one before them is in other hands, and after so long now and then."""
HELD_MS = 1_000
LOOK_EACH_S = 1.0
"""How often a relay that is busy looks for what was scheduled."""
FIRST_LIMIT = 50
BATCH_BYTES = 8_000_000

_FIRST_WAIT_S = 0.005
_FIRST_REST_S = 0.1
_LONGEST_REST_S = 5.0
_PROBE_S = 1.0
# How many rows a log line names.
_NAMED = 20


class Carrier:
    """Takes batches of rows in hand, publishes them and settles what became of each.

    After trouble it begins again with one row and doubles. So a row that nobody can send, because the server drops the
    connection for it, is soon alone: then it is known, counted, and others pass it.

    Args:
        using: the database.
        bus: its alias.
        batch: rows per round trip, at most.
        stopping: when asked to stop, it sends nothing more.
    """

    def __init__(self, using: str, bus: str, *, batch: int, stopping: Stopping) -> None:
        self.using = using
        self.bus = bus
        self.counts: Counter[str] = Counter()
        self._batch = batch
        self._limit = min(batch, FIRST_LIMIT)
        self._stopping = stopping
        self._who = random.getrandbits(WHO_BITS)
        self._more = False
        self._look_at = 0.0
        self._rest_until = 0.0
        self._tries = 0
        self._fruitless = 0
        self._blocked_since: dict[int, float] = {}
        self._unmarked: list[int] = []

    def turn(self) -> float:
        """Publish a batch of what is due. Returns the seconds after which it wants another turn.

        Raises what the database raises; rows that were in hand then are due again after their lease.
        """
        self._mark()
        if rest_s := self.rest_s:
            return rest_s
        if not self._more or monotonic() >= self._look_at:
            self._look_at = monotonic() + LOOK_EACH_S
            due_ms = due_in_ms(self.using, self.bus)
            if due_ms != 0:
                return inf if due_ms is None else due_ms / 1000
        limit = self._limit
        lease = claim(self.using, self.bus, limit=limit, lease_ms=LEASE_MS, who=self._who)
        self._more = len(lease.rows) == limit
        if not lease.rows:
            return LOOK_EACH_S / 50  # somebody else has been faster
        if not self._carry(lease):
            self._fruitless += 1
            return _FIRST_WAIT_S * 2.0 ** min(self._fruitless, 5) * (0.5 + random.random())
        self._fruitless = 0
        return self.rest_s

    @property
    def rest_s(self) -> float:
        """Seconds for which Redis is left alone."""
        circuit = buses[self.bus].circuit
        return max(0.0, self._rest_until - monotonic(), circuit.retry_in_s)

    def _carry(self, lease: Lease) -> bool:
        """Publish what can be of the rows in hand. Returns whether it is worthwhile to go on at once."""
        begun = monotonic()
        sendable, waiting = sort_out(self.using, lease.rows, lease=lease.name)
        freed = self._let_wait(lease, waiting)
        rows: list[Claimed] = []
        messages: list[Message] = []
        for row in sendable:
            try:
                messages.append(message_of(row.topic, row.type, row.fields, row.token))
                rows.append(row)
            except UnreadableEntry as error:
                self._park(lease, [row], str(error))
        if not rows:
            return bool(sendable) or not freed
        if self._stopping.requested or monotonic() - begun > LEASE_MS / 2000:
            leases.free(self.using, lease.name, _ids(rows))
            return True
        self._settle(lease, rows, self._attempt(messages))
        average = sum(len(row.fields) for row in rows) // len(rows) + 1
        self._limit = max(1, min(self._limit, BATCH_BYTES // average))
        return True

    def _let_wait(self, lease: Lease, waiting: Sequence[tuple[Claimed, Blocker]]) -> bool:
        """Give rows back that are behind others of their keys. Returns whether some can be taken at once."""
        now, now_s = now_ms(), monotonic()
        # In somebody's hands a row is for milliseconds. Behind one that stays there, these should not be found first.
        self._blocked_since = {b.id: self._blocked_since.get(b.id, now_s) for _, b in waiting}
        free: list[int] = []
        held: defaultdict[int, list[int]] = defaultdict(list)
        later: defaultdict[int, list[int]] = defaultdict(list)
        for row, blocker in waiting:
            if blocker.attempts:
                later[after(blocker)].append(row.id)
            elif now_s - self._blocked_since[blocker.id] > STUCK_S:
                held[max(now + HELD_MS, blocker.free_ms + WAIT_MS)].append(row.id)
            else:
                free.append(row.id)
        if free:
            leases.free(self.using, lease.name, free)
        for until_ms, ids in held.items():
            leases.hold(self.using, lease.name, ids, until_ms=until_ms)
        for to_ms, ids in later.items():
            leases.postpone(self.using, lease.name, ids, to_ms=to_ms)
        return bool(free)

    def _attempt(self, messages: Sequence[Message]) -> Sequence[Attempted]:
        try:
            return buses[self.bus].sender.attempt(messages, DEADLINE_S)
        except Exception as error:
            # Whichever row it is about: alone it will be found out.
            logger.debug("Outbox of database %r, bus %r", self.using, self.bus, exc_info=True)
            return [Unavailable(f"{type(error).__name__}: {error}")] * len(messages)

    # --- settle

    def _settle(self, lease: Lease, rows: Sequence[Claimed], results: Sequence[Attempted]) -> None:
        full: list[Claimed] = []
        refused: list[Claimed] = []
        lost: defaultdict[str, list[Claimed]] = defaultdict(list)
        failed: defaultdict[str, list[Claimed]] = defaultdict(list)
        trouble: BusError | None = None
        for row, result in zip(rows, results, strict=True):
            if not isinstance(result, BusError):
                self._unmarked.append(row.id)
            elif isinstance(result, StreamFull):
                full.append(row)
            elif isinstance(result, TransportError):
                lost[getattr(result, "token", "")].append(row)
                trouble = trouble or result
            elif isinstance(result, AccessRefused):
                refused.append(row)
                trouble = trouble or result
            else:
                failed[str(result)].append(row)
        self._mark()
        if trouble is None:
            self._fine()
        elif not self._is_well(trouble, rows[0]):
            self._rest(trouble)
            lost[""] += refused
            refused = []
        elif len(rows) == 1 and lost:
            failed[str(trouble)] = [rows[0]]
            lost.clear()
        elif lost:
            self._limit = 1
        for token, some in lost.items():
            leases.free(self.using, lease.name, _ids(some), token=token)
        for error, some in failed.items():
            self._fail(lease, some, error)
        if refused:
            logger.error("Outbox of database %r: %d event(s) have to wait: %s", self.using, len(refused), trouble)
            leases.hold(self.using, lease.name, _ids(refused), until_ms=now_ms() + REFUSED_MS)
        if full:
            leases.hold(self.using, lease.name, _ids(full), until_ms=now_ms() + FULL_MS)

    def _mark(self) -> None:
        """Note what was published; what could not be noted for the database's sake is noted at the next turn."""
        if self._unmarked:
            leases.sent(self.using, self._unmarked)
            self.counts["sent"] += len(self._unmarked)
            self._unmarked = []

    def _fail(self, lease: Lease, rows: Sequence[Claimed], error: str) -> None:
        last = [row for row in rows if row.attempts + 1 >= MAX_ATTEMPTS]
        if last:
            self._park(lease, last, error)
        by_attempts: defaultdict[int, list[int]] = defaultdict(list)
        for row in rows:
            if row.attempts + 1 < MAX_ATTEMPTS:
                by_attempts[row.attempts].append(row.id)
        for attempts, ids in by_attempts.items():
            backoff_ms = min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2**attempts) * (0.8 + 0.4 * random.random())
            leases.fail(self.using, lease.name, ids, error=error, to_ms=now_ms() + int(backoff_ms))
            self.counts["failed"] += len(ids)
            logger.warning(
                "Outbox of database %r: %d event(s) for bus %r could not be published, and are tried again in %.0f s "
                "(rows %s): %s",
                self.using, len(ids), self.bus, backoff_ms / 1000, _named(ids), error,
            )  # fmt: skip

    def _park(self, lease: Lease, rows: Sequence[Claimed], error: str) -> None:
        leases.park(self.using, lease.name, _ids(rows), error=error)
        self.counts["parked"] += len(rows)
        logger.error(
            "Outbox of database %r: %d event(s) for bus %r are parked (rows %s): %s. See relay_outbox --status.",
            self.using, len(rows), self.bus, _named(_ids(rows)), error,
        )  # fmt: skip

    # --- how Redis is

    def _is_well(self, trouble: BusError, row: Claimed) -> bool:
        """Return whether Redis is, so that what went wrong is about the rows."""
        if isinstance(trouble, CircuitOpen):
            return False
        bus = buses[self.bus]
        if isinstance(trouble, AccessRefused):
            return lets_in(bus.clients, deadline_s=_PROBE_S)
        return takes_writes(bus.clients, stream_key(bus.config.key_prefix, row.topic), deadline_s=_PROBE_S)

    def _fine(self) -> None:
        if self._tries:
            logger.warning("Outbox of database %r: bus %r takes events again", self.using, self.bus)
        self._tries = 0
        self._limit = min(self._batch, self._limit * 2)

    def _rest(self, trouble: BusError) -> None:
        if not self._tries:
            logger.error("Outbox of database %r: events for bus %r wait: %s", self.using, self.bus, trouble)
        self._limit = 1
        rest_s = min(_LONGEST_REST_S, _FIRST_REST_S * 2.0 ** min(self._tries, 10))
        self._tries += 1
        self._rest_until = monotonic() + rest_s * (0.5 + random.random() / 2)


def _ids(rows: Sequence[Claimed]) -> list[int]:
    return [row.id for row in rows]


def _named(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids[:_NAMED])) + (", …" if len(ids) > _NAMED else "")
