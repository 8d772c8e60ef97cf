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
        take: {now} {over} {limit} {lease}, bus: lease what is due and return it; of large rows only how large they are.
            "" if that takes two statements (SQLite writes all of a large row to lease it, so it looks first):
        before: begins a transaction in which nobody else can write; "" if the database locks rows.
        due: {now} {over} {limit}, bus: return and lock what is due.
        lease: {lease} {ids}: lease it.
        fields: {ids}: return the fields of rows.
        blockers: {keys} {highest} {leases}: the lowest pending row of each key that is not under one of these leases.
        first: order key, id: the lowest pending row of a key up to an id.
        written: {ids} {keys} {highest}: which of these rows are pending, and the lowest other one of each key, if
            there is one, with the key.
        waiting: {keys} {highest}: the keys of which there are pending rows.
        next: {over}, bus, bus, bus: the first moments of a pending and of a scheduled row that nobody has in hand, and
            the last of a pending one.
        move: {to} {over} {ids}: let those of them that nobody has in hand be due at another moment.
        soon: the commit of the transaction under way need not wait for the disk; "" if that cannot be said. What a
            crash of the database takes back then are leases and marks, and a row that is sent again is added once.
        sent: {now} {ids}: note that rows were published.
        prune: {ids}: delete them if they were.
    """

    take: str
    before: str
    due: str
    lease: str
    fields: str
    blockers: str
    first: str
    written: str
    waiting: str
    next: str
    move: str
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


SMALL_BYTES = 8_192
"""Fields up to this size come with their row; of larger ones only so many as fit into memory are asked for."""

_COLUMNS = ("id", "order_key", "topic", "type", "fields", "token", "attempts")


@cache
def _made(vendor: str, returning: bool, locking: str) -> Statements:
    row = f'"{table.model()._meta.db_table}"'
    size = f'LENGTH({row}."fields")'
    columns = ", ".join([*(f'{row}."{name}"' for name in _COLUMNS), size])
    columns = columns.replace(f'{row}."fields"', f'CASE WHEN {size} <= {SMALL_BYTES} THEN {row}."fields" END', 1)
    due = (
        f'FROM {row} WHERE "bus" = %s AND "state" = {PENDING} AND "moment_ms" <= {{now}} AND "lease" <= {{over}}'
        f' ORDER BY "moment_ms", "id" LIMIT {{limit}}{locking}'
    )
    lease = f'UPDATE {row} SET "lease" = {{lease}}'
    take = ""
    if returning and locking:
        # In an IN (…) PostgreSQL might ask more than once what is due.
        take = f'WITH "due" AS (SELECT "id" {due}) {lease} FROM "due" WHERE {row}."id" = "due"."id" RETURNING {columns}'
    lower = f'FROM {row} WHERE "order_key" IN ({{keys}}) AND "state" = {PENDING} AND "id" < {{highest}}'
    first = (
        f'(SELECT "moment_ms" FROM {row} WHERE "bus" = %s AND "state" = {{state}} AND "lease" <= {{{{over}}}}'
        ' ORDER BY "moment_ms", "id" LIMIT 1)'
    )
    last = f'(SELECT "moment_ms" FROM {row} WHERE "bus" = %s AND "state" = {PENDING} ORDER BY "moment_ms" DESC LIMIT 1)'
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
        fields=f'SELECT "id", "fields" FROM {row} WHERE "id" IN ({{ids}})',
        blockers=f'SELECT "order_key", MIN("id") {lower} AND "lease" NOT IN ({{leases}}) GROUP BY "order_key"',
        first=(
            f'SELECT "id" FROM {row} WHERE "order_key" = %s AND "state" = {PENDING} AND "id" <= %s'
            ' ORDER BY "id" LIMIT 1'
        ),
        written=(
            f'SELECT "id", NULL FROM {row} WHERE "id" IN ({{ids}}) AND "state" = {PENDING} UNION ALL'
            f' SELECT MIN("id"), "order_key" {lower} AND "id" NOT IN ({{ids}}) GROUP BY "order_key"'
        ),
        waiting=f'SELECT DISTINCT "order_key" {lower}',
        next="SELECT " + ", ".join([*(first.format(state=state) for state in (PENDING, SCHEDULED)), last]),
        move=f'UPDATE {row} SET "moment_ms" = {{to}} WHERE "id" IN ({{ids}}) AND "state" = {PENDING}'
        ' AND "lease" <= {over}',
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
