"""The rows of the inbox: inserted in one statement, without ORM objects."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from django.db import DatabaseError, NotSupportedError, ProgrammingError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.constants import OnConflict

from ..core.exceptions import ConfigurationError

if TYPE_CHECKING:
    from ..models import InboxEvent

Row = tuple[str, str, str, int]
COLUMNS = ("digest", "group", "event_id", "handled_ms")
# SQLite before 3.32 takes 999 parameters.
ROWS_PER_STATEMENT = 200


class NotInserted(Exception):
    """The insert itself failed: it leaves the transaction as this, to be told from what the handler raises."""

    def __init__(self, error: DatabaseError) -> None:
        super().__init__(error)
        self.error = error


@cache
def inbox_model() -> type[InboxEvent]:
    """Return InboxEvent. Handlers are declared where models cannot be imported yet."""
    from ..models import InboxEvent

    return InboxEvent


def insert(connection: BaseDatabaseWrapper, rows: Sequence[Row]) -> int:
    """Insert rows, leaving those alone that are there already; return how many were inserted.

    Raises NotInserted.
    """
    inserted = 0
    try:
        head, values, tail = _statement(connection.alias, connection.vendor)
        with connection.cursor() as cursor:
            for at in range(0, len(rows), ROWS_PER_STATEMENT):
                some = rows[at : at + ROWS_PER_STATEMENT]
                sql = f"{head} {', '.join([values] * len(some))} {tail}"
                cursor.execute(sql, [value for row in some for value in row])
                inserted += cursor.rowcount
    except DatabaseError as error:
        raise NotInserted(error) from error
    return inserted


def is_there(connection: BaseDatabaseWrapper, row: Row) -> bool:
    """Return whether this transaction has the row; False if it can no longer be asked."""
    try:
        return inbox_model().objects.using(connection.alias).filter(pk=row[0]).exists()
    except DatabaseError:
        return False  # "current transaction is aborted"


def delete(connection: BaseDatabaseWrapper, digests: Sequence[str]) -> None:
    """Delete the rows of these digests."""
    rows = inbox_model().objects.using(connection.alias)
    for at in range(0, len(digests), ROWS_PER_STATEMENT):
        rows.filter(pk__in=digests[at : at + ROWS_PER_STATEMENT]).delete()


def table_is_missing(connection: BaseDatabaseWrapper, error: DatabaseError) -> bool:
    """Return whether this error came because nobody ran `migrate`. Asks the database only if it may be so."""
    # SQLite alone says OperationalError, which elsewhere means that the database cannot be asked.
    if not isinstance(error, ProgrammingError) and connection.vendor != "sqlite":
        return False
    try:
        return inbox_model()._meta.db_table not in connection.introspection.table_names()
    except DatabaseError:
        return False


def require_inbox(using: str | None) -> None:
    """Raise ConfigurationError if the database has no table of handled events; a database that is away may have.

    Args:
        using: its alias; None for the one that routers name.
    """
    alias = using or router.db_for_write(inbox_model())
    connection = connections[alias]
    was_open = connection.connection is not None
    try:
        found = inbox_model()._meta.db_table in connection.introspection.table_names()
    except DatabaseError:
        return
    finally:
        if not was_open:
            connection.close()
    if not found:
        raise ConfigurationError(missing_table(alias))


def missing_table(alias: str) -> str:
    """Return what to say where nobody ran `migrate`."""
    return (
        f"idempotent=True needs the table {inbox_model()._meta.db_table}, which database {alias!r} lacks. "
        f"Run: manage.py migrate --database {alias}"
    )


@cache
def _statement(alias: str, vendor: str) -> tuple[str, str, str]:
    """Return the SQL of an insert: up to VALUES, of one row, and after the rows."""
    connection = connections[alias]
    if not connection.features.supports_ignore_conflicts:
        raise NotSupportedError(f"Database {alias!r} ({vendor}) has no insert that ignores rows which are there.")
    ops, meta = connection.ops, inbox_model()._meta
    fields = {field.name: field for field in meta.concrete_fields}
    columns = ", ".join(ops.quote_name(str(fields[name].column)) for name in COLUMNS)
    return (
        f"{ops.insert_statement(on_conflict=OnConflict.IGNORE)} {ops.quote_name(meta.db_table)} ({columns}) VALUES",
        f"({', '.join(['%s'] * len(COLUMNS))})",
        ops.on_conflict_suffix_sql([*fields.values()], OnConflict.IGNORE, [], []),
    )
