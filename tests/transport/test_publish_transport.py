"""Appending entries: one result each, in order, and a refusal harms nobody else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import redis

from django_redis_bus.core.exceptions import AccessRefused, BusError, OutOfMemory, PublishError
from django_redis_bus.transport.publish import CHUNK, CHUNK_BYTES, Appended, Entry, append
from tests.servers import Server
from tests.transport.appending import (
    WINDOW_S,
    Connect,
    colours,
    entries,
    entry,
    programs,
    put,
    stored,
    windows,
)


@colours
@windows
async def test_every_entry_has_its_id_in_order(
    any_server: Server, prefix: str, clients_of: Connect, colour: str, window_s: float | None
) -> None:
    for count in (0, 1, 2, 2 * CHUNK + 7):
        name = f"{prefix}:{count}"

        found = await put(clients_of(any_server), entries(name, count), colour, window_s=window_s)

        there = any_server.client().xrange(f"{name}:s")
        assert found == [Appended(i.decode(), False) for i, _ in there]
        assert [int(fields[b"n"]) for _, fields in there] == list(range(count))


@colours
async def test_each_stream_keeps_its_order_however_they_are_mixed(
    any_server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    # Given 2,500 entries over three streams, some of which have to be looked up
    what = [
        entry(prefix, n, stream="abc"[n * n % 3], once=n % 7 == 0 or n % 50 < 3, token="t" if n % 31 == 0 else "")
        for n in range(2_500)
    ]

    found = await put(clients_of(any_server), what, colour)

    assert all(isinstance(f, Appended) and not f.known for f in found)
    for stream in "abc":
        wanted = [int(e.event_id[1:]) for e in what if e.key.endswith(stream)]
        assert stored(any_server.client(), prefix, stream) == wanted
        ids = [f.entry_id.encode() for e, f in zip(what, found, strict=True) if e.key.endswith(stream)]  # type: ignore[union-attr]
        assert ids == [i for i, _ in any_server.client().xrange(f"{prefix}:{stream}")]


@colours
@windows
async def test_a_stream_that_is_none_is_refused_and_harms_no_other(
    any_server: Server, prefix: str, clients_of: Connect, colour: str, window_s: float | None
) -> None:
    # Given a key of another type in the place of one of three streams
    any_server.client().set(f"{prefix}:b", "x")
    what = [entry(prefix, n, stream="abc"[n % 3], once=n > 5) for n in range(12)]

    found = await put(clients_of(any_server), what, colour, window_s=window_s)

    assert [isinstance(f, PublishError) for f in found] == [n % 3 == 1 for n in range(12)]
    assert "WRONGTYPE" in str(found[1])
    assert "WRONGTYPE" in str(found[7])
    assert stored(any_server.client(), prefix, "a") == [0, 3, 6, 9]
    assert stored(any_server.client(), prefix, "c") == [2, 5, 8, 11]


@colours
@windows
@programs
async def test_a_full_server_says_so_and_adds_nothing(
    own_server: Callable[..., Server],
    prefix: str,
    clients_of: Connect,
    colour: str,
    window_s: float | None,
    program: str,
) -> None:
    server = own_server(program, aof=False, maxmemory="8mb")
    client = server.client()
    for size in (100_000, 1_000, 10):  # the value that is refused is memory, too
        with contextlib.suppress(redis.exceptions.OutOfMemoryError):
            while True:
                client.rpush("filled", b"x" * size)
    several = [*entries(prefix, 3), entry(prefix, 3, once=True), entry(prefix, 4, token="t"), entry(prefix, 5)]

    one = await put(clients_of(server), entries(prefix, 1), colour, window_s=window_s)
    many = await put(clients_of(server), several, colour, window_s=window_s)

    assert {type(f) for f in one + many} == {OutOfMemory}
    assert stored(server.client(), prefix) == []


@colours
async def test_a_server_that_went_away_between_two_publishes_is_not_noticed(
    own_server: Callable[..., Server], prefix: str, clients_of: Connect, colour: str
) -> None:
    server = own_server()
    clients = clients_of(server)
    append(clients, [entry(prefix, 0)], window_s=WINDOW_S, deadline_s=5.0)

    server.restart()
    [found] = await put(clients, [entry(prefix, 1)], colour)

    assert isinstance(found, Appended)
    assert stored(server.client(), prefix) == [0, 1]


@colours
async def test_a_server_that_refuses_at_the_door_is_a_result_too(
    server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    found = await put(clients_of(server, path="?db=9999"), entries(prefix, 2), colour)

    assert len(found) == 2
    assert all(isinstance(f, BusError) for f in found)


@colours
async def test_a_user_without_transactions_publishes_all_the_same(
    own_server: Callable[..., Server], prefix: str, clients_of: Connect, colour: str
) -> None:
    # Given a user who may not use MULTI: what stands in it is done one by one
    server = own_server(aof=False)
    server.client().execute_command("ACL", "SETUSER", "default", "-@transaction")

    found = await put(clients_of(server), entries(prefix, 3), colour)

    assert [type(f) for f in found] == [Appended] * 3
    assert stored(server.client(), prefix) == [0, 1, 2]


@colours
async def test_a_user_without_the_side_keys_is_told(
    own_server: Callable[..., Server], prefix: str, clients_of: Connect, colour: str
) -> None:
    server = own_server(aof=False)
    server.client().execute_command("ACL", "SETUSER", "default", "resetkeys", f"~{prefix}:*")

    batch = await put(clients_of(server), entries(prefix, 3), colour)
    looked_up = await put(clients_of(server), entries(prefix, 3, once=True), colour)

    assert {type(f) for f in batch + looked_up} == {AccessRefused}


@colours
async def test_large_events_leave_in_several_pieces(
    any_server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    # Given more data than one piece may hold
    text = b"x" * (CHUNK_BYTES // 3)
    what = [Entry(f"{prefix}:s", f"e{n}", ["n", str(n), "data", text]) for n in range(7)]

    found = await put(clients_of(any_server), what, colour)

    assert all(isinstance(f, Appended) for f in found)
    assert stored(any_server.client(), prefix) == list(range(7))
    # three fit into a piece: two batches, and one entry under its own id
    assert len(list(any_server.client().scan_iter(f"{{{prefix}:s}}:dedup:*"))) == 3


@windows
def test_a_reply_that_says_unavailable_drops_the_connection(
    own_server: Callable[..., Server], prefix: str, clients_of: Connect, window_s: float | None
) -> None:
    # Given a master that has become a replica: the address may lead to another server meanwhile
    server = own_server(aof=False)
    clients = clients_of(server)
    append(clients, entries(prefix, 1), window_s=window_s, deadline_s=5.0)
    server.client().execute_command("REPLICAOF", "127.0.0.1", "1")

    found = append(clients, entries(prefix, 2), window_s=window_s, deadline_s=5.0)
    named = [c for c in server.client().client_list() if c["name"] == "django-redis-bus"]

    assert {type(f).__name__ for f in found} == {"Unavailable"}
    assert named == []
