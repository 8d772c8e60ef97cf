"""What is shown of a LOCATION, and what its connections are like."""

from __future__ import annotations

from pathlib import Path

import pytest

from django_redis_bus.transport.clients import Clients, address
from django_redis_bus.transport.deadline import LEAST_S, AsyncTimely, Timely, left_s, within
from tests.servers import Server
from tests.transport.appending import Connect


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("rediss://shop:secret@redis.example.org:6380/2", "rediss://redis.example.org:6380/2"),
        ("redis://:se/cr#e?t@x@127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("unix:///run/redis.sock?password=secret&db=1", "unix:///run/redis.sock"),
        ("embedded:///var/lib/shop", "embedded:///var/lib/shop"),
    ],
)
def test_no_part_of_a_password_is_shown(location: str, shown: str) -> None:
    assert address(location) == shown


@pytest.mark.parametrize(
    "location", ["redis://h:1", "rediss://h:1", "unix:///s", "redis://h:1/0?socket_connect_timeout=9"]
)
async def test_every_connection_that_publishes_has_the_deadline(location: str) -> None:
    clients = Clients(location, options={"socket_connect_timeout": 7}, embedded_dir=Path())
    lent = clients.publishing()._pool.make_connection()
    waits = clients.async_pool().make_connection()

    with within(0.5):
        assert 0 < lent.socket_connect_timeout <= 0.5
        assert 0 < lent.socket_timeout <= 0.5
    assert lent.socket_connect_timeout in (7, 9)
    assert lent.socket_timeout is None
    assert isinstance(lent, Timely)
    assert isinstance(waits, AsyncTimely)


def test_a_deadline_that_has_passed_is_no_zero() -> None:
    # Zero would mean to redis-py: do not wait, and fail in a way of its own.
    lent = Clients("redis://h:1", options={}, embedded_dir=Path()).publishing()._pool.make_connection()

    with within(-1):
        assert lent.socket_timeout == lent.socket_connect_timeout == LEAST_S
        with pytest.raises(TimeoutError):
            left_s(None)


def test_deleting_removes_a_prefix_with_its_side_keys(server: Server, prefix: str, clients_of: Connect) -> None:
    client = server.client()
    for key in (f"{prefix}:s", f"{{{prefix}:s}}:dedup:1", f"{prefix}x:s"):
        client.set(key, "x")

    clients_of(server).delete_keys(prefix)

    assert client.keys(f"*{prefix}*") == [f"{prefix}x:s".encode()]
