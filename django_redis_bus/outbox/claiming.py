"""Taking rows in hand: each is with one relay at a time, for the time of its lease, and leaves in the order of its key.

A lease is a number in the row, written by a statement that commits at once: no lock is held while anything is sent.
It says until when the row is in hand and who has it; a row can be taken when that is over. So each lease of a row is
later than those before it, and who finds another one than its own has lost the row. `moment_ms` stays what it is, and
with it the place of the row among those that are due.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, Protocol, TypeVar

from django.db import connections, transaction

from . import table
from .conflicts import retried
from .rows import now_ms
from .statements import SMALL_BYTES, listed, statements

WHO_BITS = 20
"""A lease is its end in ms, and in so many more bits who has it."""
WAIT_MS = 100
"""How soon a relay may take a row that waited for one in somebody's hands, which is there for milliseconds mostly."""


class Claimed(NamedTuple):
    """A row in hand, as it lies in the database."""

    id: int
    order_key: int | None
    topic: str
    type: str
    fields: bytes | memoryview
    token: str
    attempts: int


class Lease(NamedTuple):
    """Rows in hand, by their ids, and what their column `lease` says."""

    name: int
    rows: list[Claimed]


def lease_until(moment_ms: int, who: int = 0) -> int:
    """Return what says that a row is in hand until then."""
    return (moment_ms << WHO_BITS) + who


def claim(
    using: str, bus: str, *, limit: int, lease_ms: int, who: int, most_bytes: int = 1 << 30, sent: Sequence[int] = ()
) -> Lease:
    """Take up to `limit` due rows of a bus in hand, those first that have been due for longest.

    What others are taking at this moment is passed over, where the database can (SKIP LOCKED).

    Args:
        who: a random number of WHO_BITS bits, the caller's.
        most_bytes: of fields; a single row may have more.
        sent: ids of rows that were published before, which is noted in the same transaction.
    """
    connection = connections[using]
    sql = statements(connection)

    def taken() -> Lease:
        own = not connection.in_atomic_block
        with transaction.atomic(using), connection.cursor() as cursor:
            if own and sql.soon:
                cursor.execute(sql.soon)
            if sent:
                cursor.execute(sql.sent.format(now=now_ms(), ids=listed(sent)))
            return _taken(cursor)

    def _taken(cursor: Any) -> Lease:
        now = now_ms()
        over, mine = lease_until(now), lease_until(now + lease_ms, who)
        if sql.take:
            cursor.execute(sql.take.format(now=now, over=over, limit=limit, lease=mine), [bus])
        else:
            if sql.before:
                cursor.execute(sql.before)
            cursor.execute(sql.due.format(now=now, over=over, limit=limit), [bus])
        found = sorted(cursor.fetchall(), key=itemgetter(0))
        fitting = _fitting([row[-1] for row in found], most_bytes)
        rows = [Claimed._make(row[:-1]) for row in found[:fitting]]
        if rows and not sql.take:
            cursor.execute(sql.lease.format(lease=mine, ids=listed(row.id for row in rows)))
        elif fitting < len(found) and sql.take:
            cursor.execute(sql.lease.format(lease=0, ids=listed(row[0] for row in found[fitting:])))
        if large := [row[0] for row in found[:fitting] if row[-1] > SMALL_BYTES]:
            cursor.execute(sql.fields.format(ids=listed(large)))
            fields = dict(cursor.fetchall())
            rows = [row._replace(fields=fields[row.id]) if row.id in fields else row for row in rows]
        return Lease(mine, rows)

    return retried(using, taken)


def _fitting(sizes: Sequence[int], most_bytes: int) -> int:
    """Return how many rows of these sizes can be taken; at least one."""
    total = 0
    for at, size in enumerate(sizes):
        total += size
        if total > most_bytes and at:
            return at
    return len(sizes)


class Ordered(Protocol):
    """What has an order: rows of the same key, by their ids."""

    @property
    def id(self) -> int: ...

    @property
    def order_key(self) -> int | None: ...


T = TypeVar("T", bound=Ordered)


class Blocker(NamedTuple):
    """A pending row that others of its key have to wait for.

    Attributes:
        free_ms: when it may be taken: its moment, or the end of a lease.
        attempts: how often it has failed.
    """

    id: int
    free_ms: int = 0
    attempts: int = 0


def sort_out(using: str, rows: Sequence[T], *, leases: Sequence[int]) -> tuple[list[T], list[tuple[T, Blocker]]]:
    """Return which rows in hand may be published now, and which have to wait for what.

    A row has to wait while a pending row of its key with a lower id is in other hands, or in nobody's.

    Args:
        using: the database they are in.
        rows: all that the caller has in hand.
        leases: the caller's: rows under them leave before these, or with them.
    """
    return _sorted(using, rows, _lowest_others(using, rows, leases))


def _sorted(using: str, rows: Sequence[T], lowest: Mapping[int | None, int]) -> tuple[list[T], list[tuple[T, Blocker]]]:
    if not lowest:
        return list(rows), []
    blockers = _blockers(using, lowest.values())
    sendable: list[T] = []
    waiting: list[tuple[T, Blocker]] = []
    for row in rows:
        blocker = lowest.get(row.order_key)
        if blocker is None or row.id < blocker:
            sendable.append(row)
        else:
            waiting.append((row, blockers.get(blocker) or Blocker(blocker)))
    return sendable, waiting


def in_order(using: str, rows: Sequence[T]) -> tuple[list[T], dict[int, int]]:
    """Return which rows may be published by who wrote them, and from when (ms, by id) others may take the rest.

    Rows that are not there are neither: what Django takes for a commit need not have been one. A savepoint that was
    rolled back by hand, an error in the midst of a transaction after which PostgreSQL makes a ROLLBACK of a COMMIT, a
    deadlock of MariaDB: the callbacks of on_commit run all the same.
    """
    keyed = {row.order_key: row.id for row in rows if row.order_key is not None}
    sql = statements(connections[using])
    with connections[using].cursor() as cursor:
        if len(rows) == len(keyed) == 1:  # the most frequent case by far
            cursor.execute(sql.first, [rows[0].order_key, rows[0].id])
            first = cursor.fetchone()
            if first is None or first[0] == rows[0].id:
                return [] if first is None else list(rows), {}
        query = sql.written.format(
            ids=listed(row.id for row in rows), keys=listed(keyed) or "NULL", highest=max(keyed.values(), default=0)
        )
        cursor.execute(query)
        found = cursor.fetchall()
    there = {row_id for row_id, key in found if key is None}
    lowest = {key: row_id for row_id, key in found if key is not None}
    sendable, waiting = _sorted(using, [row for row in rows if row.id in there], lowest)
    return sendable, {row.id: after(blocker) for row, blocker in waiting}


def after(blocker: Blocker) -> int:
    """Return from when (ms) a row may be taken that waits for a blocker."""
    now = now_ms()
    if blocker.attempts:
        return max(blocker.free_ms + 1, now)
    # Somebody has it in hand, or will soon.
    return min(max(blocker.free_ms + 1, now), now + WAIT_MS)


def _lowest_others(using: str, rows: Sequence[Ordered], leases: Sequence[int]) -> Mapping[int | None, int]:
    """Return the lowest pending row that is not in hand, by key, where it is below one that is."""
    keyed = {row.id: row.order_key for row in rows if row.order_key is not None}
    if not keyed:
        return {}
    connection = connections[using]
    query = statements(connection).blockers.format(
        keys=listed(set(keyed.values())), highest=max(keyed), leases=listed(leases)
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return dict(cursor.fetchall())


def _blockers(using: str, ids: Iterable[int]) -> dict[int, Blocker]:
    found = table.model()._base_manager.using(using).filter(id__in=list(ids))
    return {
        row_id: Blocker(row_id, max(moment_ms, lease >> WHO_BITS), attempts)
        for row_id, moment_ms, lease, attempts in found.values_list("id", "moment_ms", "lease", "attempts")
    }
