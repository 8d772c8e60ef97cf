"""Database connections: a handler never meets one that has gone stale."""

from __future__ import annotations

from threading import local
from time import monotonic

from asgiref.sync import sync_to_async
from django.db import close_old_connections, reset_queries

from . import Middleware

# Once per event would cost half the throughput of a small handler; a connection rarely dies within a second.
INTERVAL_S = 1.0


class Connections(Middleware):
    """Closes unusable and outdated connections as a request does: before each batch, at least each second, and after
    every failure, in the thread that runs the handlers."""

    def __init__(self) -> None:
        self._seen = local()
        self._cleaned = 0.0

    def begin(self) -> None:
        now = monotonic()
        if now - getattr(self._seen, "at", 0.0) >= INTERVAL_S:
            self._seen.at = now
            clean()

    def failed(self) -> None:
        clean()

    async def abegin(self) -> None:
        now = monotonic()
        if now - self._cleaned >= INTERVAL_S:
            self._cleaned = now
            await sync_to_async(clean, thread_sensitive=True)()

    async def afailed(self) -> None:
        await sync_to_async(clean, thread_sensitive=True)()


def clean() -> None:
    """Do what Django does around a request: forget logged queries (DEBUG) and close bad or old connections."""
    reset_queries()
    close_old_connections()
