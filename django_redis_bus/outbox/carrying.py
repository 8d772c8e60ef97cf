"""The rows of one bus in one database, on their way to Redis."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import inf
from time import monotonic

from django_redis_bus.bus import buses
from django_redis_bus.core.events import Message
from django_redis_bus.core.exceptions import AccessRefused, BusError, CircuitOpen, Unavailable, UnreadableEntry
from django_redis_bus.core.keys import stream_key
from django_redis_bus.runtime.stopping import Stopping
from django_redis_bus.sending import Attempted
from django_redis_bus.transport.probing import lets_in, takes_writes

from . import failing, leases
from .aside import Aside, topics_of
from .claiming import WHO_BITS, Claimed, Lease, claim, sort_out
from .outcomes import outcomes
from .rows import message_of, now_ms
from .schedule import due_in_ms
from .waiting import Waiting

logger = logging.getLogger("django_redis_bus.outbox")

LEASE_MS = 10_000
"""Rows of a relay that died are taken over after so long."""
DEADLINE_S = 4.0
"""A batch may take longer than an event of a web request. It waited for half a lease at most, and is one piece."""
FULL_MS = 1_000
"""How soon a stream at its MAX_LAG is tried again."""
REFUSED_MS = 30_000
"""How soon a stream is tried again that the user of the bus may not write to."""
LOOK_EACH_S = 1.0
"""How often a relay that is busy looks for what was scheduled."""
FIRST_LIMIT = 50
BATCH_BYTES = 3_500_000
"""What is in memory at once, twice; and written to Redis as one piece."""
ASIDE = 100
"""A batch of so many is sent by another thread, while this one is busy with the database."""

_FIRST_WAIT_S = 0.005
_FIRST_REST_S = 0.1
_LONGEST_REST_S = 5.0
_PROBE_S = 1.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows in hand that may leave now, and what they hold."""

    lease: int
    rows: Sequence[Claimed]
    messages: Sequence[Message]
    begun: float


class Carrier:
    """Takes batches of rows in hand, publishes them and settles what became of each.

    While one batch is on its way the next is taken in hand; it leaves when the first has arrived.

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
        self._most = batch
        self._stopping = stopping
        self._who = random.getrandbits(WHO_BITS)
        self._more = False
        self._look_at = 0.0
        self._rest_until = 0.0
        self._tries = 0
        self._fruitless = 0
        self._waiting = Waiting()
        self._aside = Aside(using, bus)
        self._unmarked: list[int] = []
        self._thread: ThreadPoolExecutor | None = None
        self._under_way: tuple[Batch, Future[Sequence[Attempted]]] | None = None

    def turn(self) -> float:
        """Publish a batch of what is due. Returns the seconds after which it wants another turn.

        Raises what the database raises; rows that were in hand then are due again after their lease.
        """
        if self.rest_s or self._stopping.requested:
            self.finish()
            return self.rest_s
        if not self._more or monotonic() >= self._look_at:
            self._look_at = monotonic() + LOOK_EACH_S
            self._aside.come_back()
            due_ms = due_in_ms(self.using, self.bus)
            if due_ms != 0:
                if self.finish():
                    return self.rest_s  # some of it may be due again
                return inf if due_ms is None else due_ms / 1000
        lease = self._claim()
        batch, again = self._prepare(lease)
        arrived = self._land()
        if batch is not None:
            self._send(batch, arrived)
            self._fruitless = 0
            return self.rest_s
        if not again:
            return self.rest_s
        self._fruitless += 1
        return _FIRST_WAIT_S * 2.0 ** min(self._fruitless, 5) * (0.5 + random.random())

    def finish(self) -> bool:
        """Settle what is under way, and note what was published. Returns whether there was something."""
        was = self._under_way is not None
        self._more = False
        self._land()
        self.mark()
        return was

    def mark(self) -> None:
        """Note what was published; what cannot be noted for the database's sake is noted with the next batch."""
        if self._unmarked:
            leases.sent(self.using, self._unmarked)
            self._marked()

    def close(self) -> None:
        """Settle what is under way and end. Raises what the database raises."""
        try:
            self.finish()
        finally:
            thread, self._thread = self._thread, None
            if thread is not None:
                thread.shutdown(wait=False)

    @property
    def rest_s(self) -> float:
        """Seconds for which Redis is left alone."""
        circuit = buses[self.bus].circuit
        return max(0.0, self._rest_until - monotonic(), circuit.retry_in_s)

    # --- take in hand

    def _claim(self) -> Lease:
        limit = self._limit
        lease = claim(
            self.using, self.bus,
            limit=limit, lease_ms=LEASE_MS, who=self._who, most_bytes=BATCH_BYTES, sent=self._unmarked,
        )  # fmt: skip
        self._marked()
        self._more = len(lease.rows) == limit
        return lease

    def _marked(self) -> None:
        self.counts["sent"] += len(self._unmarked)
        self._unmarked = []

    def _prepare(self, lease: Lease) -> tuple[Batch | None, bool]:
        """Return what of a lease may leave when the batch under way has arrived, and whether the rest is due soon."""
        if not lease.rows:
            return None, True  # somebody else has been faster
        begun = monotonic()
        mine = [lease.name] if self._under_way is None else [lease.name, self._under_way[0].lease]
        sendable, waiting = sort_out(self.using, lease.rows, leases=mine)
        freed = self._waiting.give_back(self.using, lease.name, waiting)
        rows: list[Claimed] = []
        messages: list[Message] = []
        for row in sendable:
            try:
                messages.append(message_of(row.topic, row.type, row.fields, row.token))
                rows.append(row)
            except UnreadableEntry as error:
                self.counts += failing.park(self.using, self.bus, lease.name, [row], str(error))
        if not rows:
            return None, freed
        average = sum(len(row.fields) for row in rows) // len(rows) + 1
        self._most = max(1, min(self._batch, BATCH_BYTES // average))
        self._limit = min(self._limit, self._most)
        return Batch(lease.name, rows, messages, begun), False

    # --- send

    def _send(self, batch: Batch, arrived: bool) -> None:
        if not arrived:
            # Its order counted on the batch before it.
            sendable, waiting = sort_out(self.using, batch.rows, leases=[batch.lease])
            self._waiting.give_back(self.using, batch.lease, waiting)
            messages = dict(zip(_ids(batch.rows), batch.messages, strict=True))
            batch = Batch(batch.lease, sendable, [messages[row.id] for row in sendable], batch.begun)
        if self._stopping.requested or self.rest_s or monotonic() - batch.begun > LEASE_MS / 2000:
            leases.free(self.using, batch.lease, _ids(batch.rows))
        elif self._more and len(batch.rows) >= ASIDE:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"bus-outbox-{self.bus}")
            self._under_way = batch, self._thread.submit(self._attempt, batch.messages)
        elif batch.rows:
            self._settle(batch, self._attempt(batch.messages))
            if not self._more:
                self.mark()

    def _attempt(self, messages: Sequence[Message]) -> Sequence[Attempted]:
        try:
            return buses[self.bus].sender.attempt(messages, DEADLINE_S)
        except Exception as error:
            # Whichever row it is about: alone it will be found out.
            logger.debug("Outbox of database %r, bus %r", self.using, self.bus, exc_info=True)
            return [Unavailable(f"{type(error).__name__}: {error}")] * len(messages)

    def _land(self) -> bool:
        """Wait for the batch under way, if there is one, and settle it. Returns whether all of it was published."""
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            return True
        batch, results = under_way
        return self._settle(batch, results.result())

    # --- settle

    def _settle(self, batch: Batch, results: Sequence[Attempted]) -> bool:
        """Do what has to be done about each row. Returns whether all were published."""
        found = outcomes(batch.rows, results)
        self._unmarked += found.sent
        if self._aside:
            self._aside.open(topics_of(batch.rows, found.sent))
        if found.trouble is None:
            self._fine()
        elif not self._is_well(found.trouble, batch.rows[0]):
            self._rest(found.trouble)
            found.lost[""] += found.refused
            found.refused.clear()
        elif found.lost and len(batch.rows) == 1:
            found.failed[str(found.trouble)].append(batch.rows[0])
            found.lost.clear()
        elif found.lost:
            self._limit = 1
        if len(found.sent) == len(batch.rows):
            return True
        self.mark()
        for token, ids in found.lost.items():
            leases.free(self.using, batch.lease, ids, token=token)
        for error, rows in found.failed.items():
            self.counts += failing.fail(self.using, self.bus, batch.lease, rows, error)
        if found.refused:
            logger.error(
                "Outbox of database %r: %d event(s) have to wait: %s", self.using, len(found.refused), found.trouble
            )
        self._step_aside(batch, found.refused, REFUSED_MS)
        self._step_aside(batch, found.full, FULL_MS)
        return False

    def _step_aside(self, batch: Batch, ids: Sequence[int], for_ms: int) -> None:
        """Let rows of topics that take nothing be tried later, and others of their topics later still."""
        if ids:
            leases.postpone(self.using, batch.lease, ids, to_ms=now_ms() + for_ms)
            self._aside.close(topics_of(batch.rows, ids), more=self._more)

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
        self._limit = min(self._most, self._limit * 2)

    def _rest(self, trouble: BusError) -> None:
        if not self._tries:
            logger.error("Outbox of database %r: events for bus %r wait: %s", self.using, self.bus, trouble)
        self._limit = 1
        rest_s = min(_LONGEST_REST_S, _FIRST_REST_S * 2.0 ** min(self._tries, 10))
        self._tries += 1
        self._rest_until = monotonic() + rest_s * (0.5 + random.random() / 2)


def _ids(rows: Sequence[Claimed]) -> list[int]:
    return [row.id for row in rows]
