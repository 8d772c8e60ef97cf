"""Waking relays: PostgreSQL tells them of a commit at once, elsewhere they look again after a wait that grows."""

from __future__ import annotations

import logging
from selectors import EVENT_READ, DefaultSelector
from time import monotonic
from typing import Any

from django.db import connections

from django_redis_bus.runtime.stopping import SLICE_S, Stopping

logger = logging.getLogger("django_redis_bus.outbox")

CHANNEL = "django_redis_bus_outbox"
LISTEN_AGAIN_S = 10.0


def notify(using: str) -> None:
    """Wake the relays of database `using` when the transaction under way on it commits; now if there is none."""
    connection = connections[using]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")


class Waker:
    """Sleeps until somebody calls `notify` on the same database, if that is PostgreSQL, or time is up.

    It listens on a connection of its own. Without one, or behind a pooler that swallows notifications, it just sleeps:
    nothing depends on being woken.
    """

    def __init__(self, using: str, stopping: Stopping) -> None:
        self._using = using
        self._stopping = stopping
        self._connection: Any = None
        self._selector: DefaultSelector | None = None
        self._listen_at = 0.0

    def wait(self, seconds: float) -> None:
        """Sleep for so long at most."""
        if connections[self._using].vendor != "postgresql":
            self._stopping.wait(seconds)
            return
        end = monotonic() + seconds
        while not self._stopping.requested and (left := end - monotonic()) > 0:
            if self._selector is None and monotonic() >= self._listen_at:
                self._listen()
            if self._selector is None:
                self._stopping.wait(left)
            elif self._heard(self._selector, min(left, SLICE_S)):
                return

    def close(self) -> None:
        """Stop listening."""
        selector, self._selector = self._selector, None
        if selector is not None:
            selector.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception:
                logger.debug("Closing the listening connection of %r", self._using, exc_info=True)

    def _listen(self) -> None:
        self._listen_at = monotonic() + LISTEN_AGAIN_S
        try:
            self._connection = connection = connections[self._using].copy()
            # One from a pool would go back there and listen on.
            connection.settings_dict["OPTIONS"].pop("pool", None)
            connection.connect()
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
            raw = connection.connection
            if not hasattr(raw, "pgconn"):
                raise NotImplementedError("psycopg2")
            self._selector = DefaultSelector()
            self._selector.register(raw.fileno(), EVENT_READ, raw)
        except Exception as error:
            logger.debug("Not listening to database %r: %s", self._using, error)
            self.close()

    def _heard(self, selector: DefaultSelector, seconds: float) -> bool:
        """Return whether a notification came in within so many seconds."""
        heard = False
        try:
            for key, _ in selector.select(seconds):
                pgconn = key.data.pgconn
                pgconn.consume_input()
                while pgconn.notifies() is not None:
                    heard = True
        except Exception as error:
            logger.debug("No longer listening to database %r: %s", self._using, error)
            self.close()
            return True  # what has ended the connection may have ended more
        return heard
