"""What the tests of `append` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import redis

from django_redis_bus.core.exceptions import BusError
from django_redis_bus.transport.clients import Clients
from django_redis_bus.transport.publish import Done, Entry, Live, aappend, append

Connect = Callable[..., Clients]
WINDOW_S = 60.0

colours = pytest.mark.parametrize("colour", ["sync", "async"])
windows = pytest.mark.parametrize("window_s", [WINDOW_S, None], ids=["remembered", "plain"])
programs = pytest.mark.parametrize("program", ["valkey", "redis-server"])


def entry(prefix: str, n: int, *, stream: str = "s", **options: Any) -> Entry:
    """The event "e<n>" of the stream "<prefix>:<stream>"."""
    return Entry(f"{prefix}:{stream}", f"e{n}", ["n", str(n)], **options)


def entries(prefix: str, count: int, **options: Any) -> list[Entry]:
    return [entry(prefix, n, **options) for n in range(count)]


async def put(
    clients: Clients,
    what: Sequence[Entry | Live],
    colour: str = "sync",
    *,
    window_s: float | None = WINDOW_S,
    deadline_s: float = 5.0,
) -> list[Done | BusError]:
    """Append by the sync or by the async way."""
    if colour == "sync":
        return append(clients, what, window_s=window_s, deadline_s=deadline_s)
    try:
        return await aappend(clients, what, window_s=window_s, deadline_s=deadline_s)
    finally:
        await clients.aclose()


def stored(client: redis.Redis, prefix: str, stream: str = "s") -> list[int]:
    """The numbers of the events in a stream, in its order."""
    return [int(fields[b"n"]) for _, fields in client.xrange(f"{prefix}:{stream}")]
