"""Connections to one Redis: pools per use, lazily, never shared by two processes or two event loops."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, WeakSet

import redis
import redis.asyncio as aio
from redis.asyncio.connection import parse_url as aio_parse_url
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import Connection, ConnectionPool, parse_url
from redis.retry import Retry

from . import embedded
from .deadline import timely
from .lending import Lender

# A blocked read is longer than other replies take; see GroupLink.send.
READ_MARGIN_S = 5.0
CONNECT_S = 2.0
"""How long a consumer waits for a connection. A publish has a deadline over all."""
ANSWER_S = 5.0
"""How long what has no deadline of its own waits for an answer."""
# Reserved: with these a reply would have another shape, or a write be sent twice.
RESERVED_OPTIONS = {
    "protocol", "decode_responses", "retry", "retry_on_timeout", "retry_on_error", "socket_timeout", "legacy_responses",
    "max_connections", "single_connection_client",
}  # fmt: skip


def address(location: str) -> str:
    """Return a LOCATION without user and password, fit for messages."""
    # Not by urlsplit: it ends the host at the first / ? or #, and a password in which they are not escaped would show.
    scheme, _, rest = location.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


class Clients:
    """Everything that connects to one LOCATION. Nothing is opened before its first use.

    Args:
        location: as configured.
        options: extra connection arguments of redis-py (ssl_ca_certs, username, …).
        embedded_dir: where an embedded server without a path of its own keeps its data.
    """

    def __init__(self, location: str, *, options: Mapping[str, Any], embedded_dir: Path) -> None:
        self.location = location
        self.where = address(location)
        self._embedded_dir = embedded_dir
        self._options = {k: v for k, v in options.items() if k not in RESERVED_OPTIONS}
        self._lock = Lock()
        self._pools: dict[float, ConnectionPool] = {}
        self._lender: Lender | None = None
        self._async: WeakKeyDictionary[asyncio.AbstractEventLoop, aio.ConnectionPool] = WeakKeyDictionary()
        _all.add(self)

    def url(self) -> str:
        """Return the URL to connect to; starts the embedded server if the location asks for one."""
        if self.location.startswith("embedded://"):
            return embedded.resolve(self.location, self._embedded_dir)
        return self.location

    def pool(self, socket_timeout_s: float) -> ConnectionPool:
        """Return the pool of connections whose replies come within `socket_timeout_s`."""
        pool = self._pools.get(socket_timeout_s)
        if pool is None:
            with self._lock:
                pool = self._pools.get(socket_timeout_s)
                if pool is None:
                    pool = self._pools[socket_timeout_s] = self._made(self._arguments(socket_timeout_s))
        return pool

    def publishing(self) -> Lender:
        """Return what lends connections that honour `deadline.within`."""
        lender = self._lender
        if lender is None:
            with self._lock:
                lender = self._lender
                if lender is None:
                    arguments = self._arguments(None)
                    parsed = parse_url(self.url())  # type: ignore[no-untyped-call]
                    base = arguments.get("connection_class") or parsed.get("connection_class", Connection)
                    lender = self._lender = Lender(self._made(arguments | {"connection_class": timely(base)}))
        return lender

    def _made(self, arguments: Mapping[str, Any]) -> ConnectionPool:
        # A retry of the client's would send a write twice.
        return ConnectionPool.from_url(self.url(), retry=Retry(NoBackoff(), 0), **arguments)

    def async_pool(self) -> aio.ConnectionPool:
        """Return the running event loop's own pool."""
        loop = asyncio.get_running_loop()
        pool = self._async.get(loop)
        if pool is None:
            # A pool holds its loop, so the weak key alone would never go: `async_to_sync` makes a loop per call.
            for ended in [known for known in list(self._async) if known.is_closed()]:
                self._async.pop(ended, None)
            arguments = self._arguments(None) | dict(aio_parse_url(self.url()))
            arguments["connection_class"] = timely(arguments.get("connection_class", aio.Connection))
            # Not by `from_url`: it would take the connection class of the URL.
            pool = aio.ConnectionPool(retry=AsyncRetry(NoBackoff(), 0), **arguments)
            self._async[loop] = pool
        return pool

    def close(self) -> None:
        """Close the idle connections of this process's sync pools."""
        with self._lock:
            for pool in self._pools.values():
                pool.disconnect()
            self._pools.clear()
            if self._lender is not None:
                self._lender.close()
                self._lender = None

    def renew_lock(self) -> None:
        """In a child process: the thread that held the lock as the parent forked is not here to release it."""
        self._lock = Lock()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        if pool := self._async.pop(asyncio.get_running_loop(), None):
            await pool.disconnect()

    def delete_keys(self, prefix: str) -> None:
        """Delete every key of this prefix, and the side keys of its streams. Walks through the whole database."""
        with redis.Redis(connection_pool=self.pool(ANSWER_S)) as client:
            for pattern in (f"{prefix}:*", f"{{{prefix}:*"):
                keys = list(client.scan_iter(pattern, count=1000))
                if keys:
                    client.unlink(*keys)

    def _arguments(self, socket_timeout_s: float | None) -> dict[str, Any]:
        return {
            "socket_connect_timeout": CONNECT_S,
            "client_name": "django-redis-bus",
            **self._options,
            "socket_timeout": socket_timeout_s,
            "protocol": 2,
            "decode_responses": False,
            "max_connections": 2**31,  # the callers' threads are the limit
        }


_all: WeakSet[Clients] = WeakSet()


def _renew_locks() -> None:
    for clients in list(_all):
        clients.renew_lock()


os.register_at_fork(after_in_child=_renew_locks)


def check_url(location: str) -> None:
    """Raise ValueError if redis-py cannot read this URL. An embedded location is always readable."""
    if location.startswith("embedded://"):
        return
    parse_url(location)  # type: ignore[no-untyped-call]
    path = urlsplit(location).path.strip("/")
    if not location.startswith("unix://") and path and not path.isdigit():
        # redis-py would use database 0 without a word
        raise ValueError("the database after the last / must be a number")


def check_options(location: str, options: Mapping[str, Any]) -> None:
    """Raise TypeError if redis-py has no use for one of these OPTIONS. Connects to nothing."""
    url = "unix:///nowhere" if location.startswith("embedded://") else location
    clients = Clients(url, options=options, embedded_dir=Path())
    try:
        clients.pool(1.0).make_connection()
    except (ValueError, OSError) as error:
        raise TypeError(str(error)) from error
