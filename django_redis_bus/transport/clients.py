"""Connections to one Redis: pools per use, lazily, never shared by two processes or two event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import redis
import redis.asyncio as aio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool, parse_url
from redis.retry import Retry

from . import embedded

# A blocked read is longer than other replies take; see GroupLink.send.
READ_MARGIN_S = 5.0
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
        timeout_s: how long a publish may wait for Redis.
        embedded_dir: where an embedded server without a path of its own keeps its data.
    """

    def __init__(self, location: str, *, options: Mapping[str, Any], timeout_s: float, embedded_dir: Path) -> None:
        self.location = location
        self.where = address(location)
        self.timeout_s = timeout_s
        self._embedded_dir = embedded_dir
        self._options = {k: v for k, v in options.items() if k not in RESERVED_OPTIONS}
        self._lock = Lock()
        self._pools: dict[float, ConnectionPool] = {}
        self._async: WeakKeyDictionary[asyncio.AbstractEventLoop, aio.ConnectionPool] = WeakKeyDictionary()

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
                    pool = ConnectionPool.from_url(
                        self.url(),
                        retry=Retry(NoBackoff(), 0),  # a retry of the client's sends a write twice
                        **self._arguments(socket_timeout_s),
                    )
                    self._pools[socket_timeout_s] = pool
        return pool

    def publishing(self) -> ConnectionPool:
        """Return the pool that publishes: its time-out is the bus's TIMEOUT."""
        return self.pool(self.timeout_s)

    def async_pool(self) -> aio.ConnectionPool:
        """Return the running event loop's own pool."""
        loop = asyncio.get_running_loop()
        pool = self._async.get(loop)
        if pool is None:
            # A pool holds its loop, so the weak key alone would never go: `async_to_sync` makes a loop per call.
            for ended in [known for known in list(self._async) if known.is_closed()]:
                self._async.pop(ended, None)
            pool = aio.ConnectionPool.from_url(
                self.url(), retry=AsyncRetry(NoBackoff(), 0), **self._arguments(self.timeout_s)
            )
            self._async[loop] = pool
        return pool

    def close(self) -> None:
        """Close the idle connections of this process's sync pools."""
        with self._lock:
            for pool in self._pools.values():
                pool.disconnect()
            self._pools.clear()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        if pool := self._async.pop(asyncio.get_running_loop(), None):
            await pool.disconnect()

    def delete_keys(self, prefix: str) -> None:
        """Delete every key of this prefix, and the side keys of its streams. Walks through the whole database."""
        with redis.Redis(connection_pool=self.publishing()) as client:
            for pattern in (f"{prefix}:*", f"{{{prefix}:*"):
                keys = list(client.scan_iter(pattern, count=1000))
                if keys:
                    client.unlink(*keys)

    def _arguments(self, socket_timeout_s: float) -> dict[str, Any]:
        return {
            "socket_connect_timeout": min(self.timeout_s, 5.0),
            "client_name": "django-redis-bus",
            **self._options,
            "socket_timeout": socket_timeout_s,
            "protocol": 2,
            "decode_responses": False,
            "max_connections": 2**31,  # the callers' threads are the limit
        }


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
    clients = Clients(url, options=options, timeout_s=1.0, embedded_dir=Path())
    try:
        clients.publishing().make_connection()
    except (ValueError, OSError) as error:
        raise TypeError(str(error)) from error
