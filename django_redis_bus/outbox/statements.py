"""The relay's SQL, made once per kind of database: the ORM would take a third of the time of each batch.

Braces stand for whole numbers of our own, written out: they cost no parameters, of which SQLite takes few.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from . import table
from .rows import PENDING, SCHEDULED
from .states import State

SENT = int(State.SENT)


class Statements(NamedTuple):
    """What a relay says to one kind of database.

    Attributes:
        take: {now} {over} {limit} {lease}, bus: lease what is due and return it. "" if that takes two statements:
        before: begins a transaction in which nobody else can write; "" if the database locks rows.
        due: {now} {over} {limit}, bus: return and lock what is due.
        lease: {lease} {ids}: lease it.
        blockers: {keys} {highest} and {ids} or {leases}: the lowest pending row of each key that is not one of these.
        next: {over}, bus, bus: the first moments of a pending and of a scheduled row that nobody has in hand.
        soon: the commit of the transaction under way need not wait for the disk; "" if that cannot be said. What a
            crash of the database takes back then are leases and marks, and a row that is sent again is added once.
        sent: {now} {ids}: note that rows were published.
        prune: {ids}: delete them if they were.
    """

    take: str
    before: str
    due: str
    lease: str
    blockers: str
    blockers_of_lease: str
    next: str
    soon: str
    sent: str
    prune: str


def statements(connection: BaseDatabaseWrapper) -> Statements:
    """Return the statements for a database."""
    features = connection.features
    locking = " FOR UPDATE SKIP LOCKED" if features.has_select_for_update_skip_locked else " FOR UPDATE"
    return _made(
        connection.vendor,
        # MariaDB returns what it inserts and not what it updates.
        connection.vendor != "mysql" and features.can_return_columns_from_insert,
        locking if features.has_select_for_update else "",
    )


_COLUMNS = ("id", "order_key", "topic", "type", "fields", "token", "attempts")


@cache
def _made(vendor: str, returning: bool, locking: str) -> Statements:
    row = f'"{table.model()._meta.db_table}"'
    columns = ", ".join(f'{row}."{name}"' for name in _COLUMNS)
    due = (
        f'FROM {row} WHERE "bus" = %s AND "state" = {PENDING} AND "moment_ms" <= {{now}} AND "lease" <= {{over}}'
        f' ORDER BY "moment_ms", "id" LIMIT {{limit}}{locking}'
    )
    lease = f'UPDATE {row} SET "lease" = {{lease}}'
    take = ""
    if returning and locking:
        # In an IN (…) PostgreSQL might ask more than once what is due.
        take = f'WITH "due" AS (SELECT "id" {due}) {lease} FROM "due" WHERE {row}."id" = "due"."id" RETURNING {columns}'
    elif returning:
        take = f'{lease} WHERE "id" IN (SELECT "id" {due}) RETURNING {columns.replace(f"{row}.", "")}'
    blockers = (
        f'SELECT "order_key", MIN("id") FROM {row} WHERE "order_key" IN ({{keys}}) AND "state" = {PENDING}'
        ' AND "id" < {highest}'
    )
    first = (
        f'(SELECT "moment_ms" FROM {row} WHERE "bus" = %s AND "state" = {{state}} AND "lease" <= {{{{over}}}}'
        ' ORDER BY "moment_ms", "id" LIMIT 1)'
    )
    sent = (
        f'UPDATE {row} SET "state" = {SENT}, "moment_ms" = {{now}}, "lease" = 0, "error" = \'\''
        f' WHERE "id" IN ({{ids}}) AND "state" <> {SENT}'
    )
    made = Statements(
        take=take,
        # Changes nothing and takes the lock: a transaction that begins by reading may find that it cannot write.
        before="" if locking else f'UPDATE {row} SET "attempts" = "attempts" WHERE "id" < 0',
        due=f"SELECT {columns} {due}",
        lease=f'{lease} WHERE "id" IN ({{ids}})',
        blockers=f'{blockers} AND "id" NOT IN ({{ids}}) GROUP BY "order_key"',
        blockers_of_lease=f'{blockers} AND "lease" NOT IN ({{leases}}) GROUP BY "order_key"',
        next="SELECT " + ", ".join(first.format(state=state) for state in (PENDING, SCHEDULED)),
        sent=sent,
        soon="SET LOCAL synchronous_commit = off" if vendor == "postgresql" else "",
        prune=f'DELETE FROM {row} WHERE "id" IN ({{ids}}) AND "state" = {SENT}',
    )
    return made if vendor != "mysql" else Statements(*(text.replace('"', "`") for text in made))


def sent_soon(connection: BaseDatabaseWrapper) -> str:
    """Return `sent` for a transaction of its own, whose commit does not wait for the disk where that can be said."""
    sql = statements(connection)
    # In a transaction of somebody else's, a test's for one, it would be that one's commit that does not wait.
    return f"{sql.soon}; {sql.sent}" if sql.soon and not connection.in_atomic_block else sql.sent


def listed(numbers: Iterable[int]) -> str:
    """Return whole numbers as they stand in an IN (…)."""
    return ",".join(map(str, numbers))
