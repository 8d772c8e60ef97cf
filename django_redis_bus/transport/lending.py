"""Connections for one exchange at a time, lent and given back in a few microseconds."""

from __future__ import annotations

import os
from typing import Any

from redis.connection import ConnectionPool


class Lender:
    """A stack of connected connections before a pool, whose own bookkeeping would cost a fifth of a publish.

    Args:
        pool: of Timely connections. It makes them, and closes them all at its `disconnect`.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._pid = os.getpid()
        self._idle: list[Any] = []

    def take(self) -> Any:
        """Return a connection that is the caller's alone until it is given back or dropped."""
        if self._pid != os.getpid():  # forked: the sockets are the parent's
            self._idle = []
            self._pid = os.getpid()
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if connection.is_silent():
                return connection
            self.drop(connection)  # the server has closed it
        return self._pool.get_connection()

    def give(self, connection: Any) -> None:
        """Take back a connection on which no reply is owed."""
        self._idle.append(connection)

    def drop(self, connection: Any) -> None:
        """Take back a connection of which nobody knows what it will read next."""
        connection.disconnect()
        self._pool.release(connection)

    def close(self) -> None:
        """Close every connection, lent ones too."""
        self._idle.clear()
        self._pool.disconnect()
