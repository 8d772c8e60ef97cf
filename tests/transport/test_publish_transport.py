"""Appending entries: one result each, nothing sent twice, and never longer than the deadline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from django_redis_bus.core.exceptions import BusError, OutOfMemory, PublishError, Unavailable
from django_redis_bus.transport.clients import Clients
from django_redis_bus.transport.publish import CHUNK, Append, aappend, append
from tests.servers import Server

Connect = Callable[..., Clients]


@pytest.fixture
def clients_of() -> Iterator[Connect]:
    made: list[Clients] = []

    def make(server: Server, timeout_s: float = 0.5, path: str = "") -> Clients:
        url = f"{server.url}{path}"
        made.append(Clients(url, options={}, timeout_s=timeout_s, embedded_dir=Path("/nonexistent")))
        return made[-1]

    yield make
    for clients in made:
        clients.close()


def entries(prefix: str, count: int) -> list[Append]:
    return [(f"{prefix}:s", ["n", str(n)]) for n in range(count)]


async def put(clients: Clients, what: list[Append], colour: str) -> list[object]:
    """Append by the sync or by the async way."""
    if colour == "sync":
        return list(append(clients, what))
    found = list(await aappend(clients, what))
    await clients.async_pool().disconnect()
    return found


colours = pytest.mark.parametrize("colour", ["sync", "async"])


@colours
@pytest.mark.parametrize("count", [0, 1, 2 * CHUNK + 7])
async def test_every_entry_has_its_id_in_order(
    any_server: Server, prefix: str, clients_of: Connect, colour: str, count: int
) -> None:
    ids = await put(clients_of(any_server, 5.0), entries(prefix, count), colour)

    stored = any_server.client().xrange(f"{prefix}:s")
    assert [(i.decode(), fields[b"n"]) for i, fields in stored] == [
        (i, str(n).encode()) for n, i in enumerate(ids)
    ]  # fmt: skip


@colours
async def test_one_that_is_refused_does_not_harm_the_others(
    any_server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    any_server.client().set(f"{prefix}:text", "x")

    what = [*entries(prefix, 1), (f"{prefix}:text", ["n", "1"]), *entries(prefix, 1)]
    one, two, three = await put(clients_of(any_server), what, colour)

    assert isinstance(one, str)
    assert isinstance(two, PublishError)
    assert isinstance(three, str)


@colours
async def test_a_full_server_says_so(
    own_server: Callable[..., Server], prefix: str, clients_of: Connect, colour: str
) -> None:
    server = own_server(aof=False, maxmemory="8mb")
    for n in range(100):
        try:
            server.client().set(f"k{n}", b"x" * 200_000)
        except Exception:
            break

    [found] = await put(clients_of(server), entries(prefix, 1), colour)

    assert isinstance(found, OutOfMemory)


@colours
async def test_a_server_that_went_away_between_two_publishes_is_not_noticed(
    own_server: Callable[..., Server], prefix: str, clients_of: Connect, colour: str
) -> None:
    server = own_server()
    clients = clients_of(server, 5.0)
    append(clients, entries(prefix, 1))

    server.restart()
    [found] = await put(clients, entries(prefix, 1), colour)

    assert isinstance(found, str)
    assert server.client().xlen(f"{prefix}:s") == 2


@colours
async def test_a_frozen_server_costs_one_deadline_however_many_entries(
    own_server: Callable[..., Server], prefix: str, clients_of: Connect, colour: str
) -> None:
    server = own_server(aof=False)
    clients = clients_of(server, 0.5)
    append(clients, entries(prefix, 1))
    server.freeze()

    started = monotonic()
    found = await put(clients, entries(prefix, 6 * CHUNK), colour)
    seconds = monotonic() - started
    server.thaw()

    assert len(found) == 6 * CHUNK
    assert {type(f) for f in found} == {Unavailable}
    assert seconds < 1.5  # three deadlines: six chunks would take six


@colours
async def test_nothing_is_sent_twice_when_the_reply_is_lost(
    own_server: Callable[..., Server], prefix: str, clients_of: Connect, colour: str
) -> None:
    server = own_server(aof=False)
    clients = clients_of(server, 0.3)
    append(clients, entries(prefix, 1))

    server.freeze()
    [found] = await put(clients, entries(prefix, 1), colour)
    server.thaw()

    assert isinstance(found, Unavailable)
    assert server.client().xlen(f"{prefix}:s") <= 2


@colours
async def test_a_server_that_refuses_at_the_door_is_a_result_too(
    server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    found = await put(clients_of(server, path="?db=9999"), entries(prefix, 2), colour)

    assert len(found) == 2
    assert all(isinstance(f, BusError) for f in found)
