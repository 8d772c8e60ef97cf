"""Whether what a handler wrote will be kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError

from .rows import Row, is_there


class Kept:
    """Makes sure, around the call of a handler, that its transaction can be committed when it returns.

    A handler that catches a database error may have lost it: PostgreSQL answers the COMMIT with a silent rollback, so
    does Django, and MySQL begins a new transaction after a deadlock. The event would count as handled.

    Args:
        connection: in a transaction.
        row: inserted in it.
        name: the handler's.

    Raises TransactionManagementError at the end if the row will not be committed.
    """

    def __init__(self, connection: BaseDatabaseWrapper, row: Row, name: str) -> None:
        self._connection = connection
        self._row = row
        self._name = name
        self._failed = False

    def __enter__(self) -> None:
        self._connection.execute_wrappers.append(self._execute)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        connection = self._connection
        connection.execute_wrappers.remove(self._execute)
        # Django sets the flag for errors of models, and when the connection is closed.
        if kind is None and (connection.needs_rollback or (self._failed and not is_there(connection, self._row))):
            raise TransactionManagementError(
                f"Handler {self._name} returned, but its transaction is broken: it caught a database error, or closed "
                "the connection. Nothing was kept. Let the error out, or put what may fail into a "
                "transaction.atomic() of its own and catch the error around that."
            )

    def _execute(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return execute(*arguments)
        except Exception:
            self._failed = True
            raise
