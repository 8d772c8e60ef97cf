"""Statements that got in each other's way: the database undid one of them, which is done again."""

from __future__ import annotations

import random
from collections.abc import Callable
from time import sleep
from typing import TypeVar

from django.db import OperationalError, connections

T = TypeVar("T")

_TRIES = 6
_FIRST_WAIT_S = 0.005

# PostgreSQL: serialization failure, deadlock, lock not available.
_STATES = {"40001", "40P01", "55P03"}
# MySQL and MariaDB: lock wait timeout, deadlock, record changed since last read.
_NUMBERS = {1205, 1213, 1020}


def retried(using: str, work: Callable[[], T]) -> T:
    """Do work on database `using`, again if it met a deadlock or a lock. It has to be one transaction.

    Inside a transaction of the caller's it is done once: what was undone is more than the work.
    """
    connection = connections[using]
    for attempt in range(1, _TRIES):
        try:
            return work()
        except OperationalError as error:
            if connection.in_atomic_block or not is_conflict(error):
                raise
        # Jitter: who met once should not meet again.
        sleep(_FIRST_WAIT_S * 2**attempt * random.random())
    return work()


def execute(using: str, query: str) -> int:
    """Execute a statement, again if it met a deadlock or a lock. Returns how many rows it changed."""

    def once() -> int:
        with connections[using].cursor() as cursor:
            cursor.execute(query)
            return int(cursor.rowcount)

    return retried(using, once)


def is_conflict(error: OperationalError) -> bool:
    """Return whether the database undid a statement only for the sake of another."""
    cause = error.__cause__
    if getattr(cause, "sqlstate", None) in _STATES or getattr(cause, "pgcode", None) in _STATES:
        return True
    number = error.args[0] if error.args else None
    return number in _NUMBERS or "database is locked" in str(number)
