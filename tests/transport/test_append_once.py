"""Idempotence: what was added within the window is not added again, whoever sends it and however late it comes."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import hiredis

from django_redis_bus.core.exceptions import Unavailable
from django_redis_bus.core.keys import dedup_key
from django_redis_bus.transport.plan import PER_BATCH, PER_SCRIPT, Step, plan
from django_redis_bus.transport.publish import Appended, Entry, append
from tests.servers import Server
from tests.transport.appending import WINDOW_S, Connect, colours, entries, entry, put, stored


@colours
async def test_an_explicit_id_is_added_once_and_its_entry_named(
    any_server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    # Given an id that was published, alone or among others
    clients = clients_of(any_server)
    one, *others = entries(prefix, 4, once=True)
    [first] = await put(clients, [one], colour)

    again = await put(clients, [one, *others, one], colour)
    third = await put(clients, [*others, one], colour)

    assert isinstance(first, Appended)
    assert [f.known for f in again] == [True, False, False, False, True]  # type: ignore[union-attr]
    assert again[0] == again[4] == Appended(first.entry_id, True)
    assert third == [*[Appended(f.entry_id, True) for f in again[1:4]], again[0]]  # type: ignore[union-attr]
    assert stored(any_server.client(), prefix) == [0, 1, 2, 3]


@colours
async def test_an_id_of_its_own_is_added_once_too(
    any_server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    # Given an event that went alone, its id not the caller's
    clients = clients_of(any_server)
    await put(clients, entries(prefix, 1), colour)

    same = await put(clients, entries(prefix, 1), colour)
    resent = await put(clients, entries(prefix, 2, once=True), colour)

    assert same == [Appended(None, True)]
    assert resent[0] == Appended(None, True)
    assert stored(any_server.client(), prefix) == [0, 1]


@colours
async def test_ids_of_another_stream_are_other_ids(
    any_server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    clients = clients_of(any_server)

    found = await put(clients, [entry(prefix, 1, stream=s, once=True) for s in "aba"], colour)

    assert [f.known for f in found] == [False, False, True]  # type: ignore[union-attr]


@colours
async def test_a_batch_sent_again_with_its_token_adds_only_what_is_missing(
    any_server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    # Given a batch that ran, under a token
    clients = clients_of(any_server)
    ran = steps(entries(prefix, 3), "t")
    replies_to(any_server, ran)

    # When it is sent again with the token, among entries of a batch that never ran
    found = await put(clients, [*entries(prefix, 3, token="t"), entry(prefix, 3, token="u")], colour)

    assert found[:3] == [Appended(None, True)] * 3
    assert isinstance(found[3], Appended)
    assert not found[3].known
    assert stored(any_server.client(), prefix) == [0, 1, 2, 3]


@colours
async def test_a_batch_that_never_ran_is_added_once_however_often_it_is_sent(
    any_server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    clients = clients_of(any_server)
    what = entries(prefix, PER_SCRIPT + 5, token="t")

    first = await put(clients, what, colour)
    second = await put(clients, what, colour)

    assert not any(f.known for f in first)  # type: ignore[union-attr]
    assert second == [Appended(f.entry_id, True) for f in first]  # type: ignore[union-attr]
    assert stored(any_server.client(), prefix) == list(range(PER_SCRIPT + 5))


def test_a_batch_that_comes_late_adds_nothing(any_server: Server, prefix: str, clients_of: Connect) -> None:
    # Given a batch, and an event alone, that were sent again before they arrived
    clients = clients_of(any_server)
    late = [*steps(entries(prefix, 3), "t"), *steps([entry(prefix, 9)], "")]
    again = [*entries(prefix, 3, token="t"), entry(prefix, 9, once=True)]
    append(clients, again, window_s=WINDOW_S, deadline_s=5.0)

    batch, alone = (step.outcomes(replies) for step, replies in zip(late, replies_to(any_server, late), strict=True))

    assert stored(any_server.client(), prefix) == [0, 1, 2, 9]
    assert [(type(o), getattr(o, "token", "")) for o in batch] == [(Unavailable, "t")] * 3
    assert alone == [Appended(None, True)]


def test_a_batch_under_way_while_it_is_sent_again_adds_nothing(
    any_server: Server, prefix: str, clients_of: Connect
) -> None:
    # Given a batch of which Redis has read all but the end
    clients = clients_of(any_server)
    [late] = steps(entries(prefix, 3), "t")
    data = b"".join(late.pieces())
    end = b"*1\r\n$4\r\nEXEC\r\n"
    with connected(any_server) as sock:
        sock.sendall(data.removesuffix(end))
        before = read(sock, late.replies - 1)

        # When its entries are sent again, and then the rest arrives
        append(clients, entries(prefix, 3, token="t"), window_s=WINDOW_S, deadline_s=5.0)
        sock.sendall(end)

        assert late.outcomes([*before, *read(sock, 1)])[0].token == "t"  # type: ignore[union-attr]
    assert stored(any_server.client(), prefix) == [0, 1, 2]


@colours
async def test_a_server_that_has_lost_the_script_gets_it_again(
    any_server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    # Given a chunk with all kinds of steps, some streams' scripts followed by batches
    clients = clients_of(any_server)
    what = [entry(prefix, n, stream="abc"[n % 3], once=n % 3 == 0 or 30 < n < 40) for n in range(6 * PER_SCRIPT)]
    for _ in range(2):
        any_server.client().script_flush()

        found = await put(clients, what, colour)

        assert all(isinstance(f, Appended) for f in found)
    assert stored(any_server.client(), prefix, "a") == list(range(0, 6 * PER_SCRIPT, 3))


@colours
async def test_the_order_holds_when_the_script_was_lost(
    any_server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    clients = clients_of(any_server)
    what = [entry(prefix, n, once=n // 10 % 2 == 0) for n in range(95)]
    any_server.client().script_flush()

    await put(clients, what, colour)

    assert stored(any_server.client(), prefix) == list(range(95))


def test_two_threads_with_one_id_add_one_entry(any_server: Server, prefix: str, clients_of: Connect) -> None:
    clients = clients_of(any_server)

    def publish(n: int) -> Any:
        once = n % 2 == 0
        return append(clients, [entry(prefix, 1, once=once)], window_s=WINDOW_S, deadline_s=5.0)[0]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(publish, range(64)))

    assert [f.known for f in found].count(False) == 1
    assert stored(any_server.client(), prefix) == [1]


def test_after_the_window_it_is_another_event(any_server: Server, prefix: str, clients_of: Connect) -> None:
    clients = clients_of(any_server)
    what = [entry(prefix, 1, once=True), entry(prefix, 2, token="t"), *entries(f"{prefix}:b", 2)]
    for _ in range(2):
        found = append(clients, what, window_s=0.05, deadline_s=5.0)
        assert [f.known for f in found] == [False] * 4  # type: ignore[union-attr]
        time.sleep(0.1)

    assert list(any_server.client().scan_iter(f"*{prefix}*:dedup:*")) == []


def test_all_side_keys_expire(any_server: Server, prefix: str, clients_of: Connect) -> None:
    client = any_server.client()
    what = [entry(prefix, 1), entry(prefix, 2, token="t"), entry(prefix, 3, once=True), *entries(f"{prefix}:b", 2)]

    append(clients_of(any_server), what, window_s=WINDOW_S, deadline_s=5.0)

    keys = list(client.scan_iter(f"*{prefix}*:dedup:*"))
    assert len(keys) == 5  # three ids, a void token, a batch
    assert all(0 < client.pttl(key) <= WINDOW_S * 1000 for key in keys)
    assert client.get(dedup_key(f"{prefix}:s", "t")) == b"void"


def test_an_event_of_thousands_of_fields_is_refused_when_it_must_be_looked_up(
    any_server: Server, prefix: str, clients_of: Connect
) -> None:
    fields: list[bytes | str] = ["n", "1"] * 4_000
    what = [Entry(f"{prefix}:s", "big", fields, once=True), entry(prefix, 2, once=True)]

    big, other = append(clients_of(any_server), what, window_s=WINDOW_S, deadline_s=5.0)
    [plain] = append(clients_of(any_server), [what[0]._replace(once=False)], window_s=WINDOW_S, deadline_s=5.0)

    assert "so many fields" in str(big)
    assert isinstance(other, Appended)
    assert isinstance(plain, Appended)


def test_a_long_batch_is_several_so_that_redis_is_not_held_up() -> None:
    names = iter("abc")

    made = plan(entries("p", 2 * PER_BATCH + 2), window_ms=1_000, token=lambda: next(names))["p:s"]

    assert [(len(step.indexes), step.token) for step in made] == [(PER_BATCH, "a"), (PER_BATCH, "b"), (2, "c")]


def steps(what: list[Entry], token: str) -> list[Step]:
    made = plan(what, window_ms=int(WINDOW_S * 1000), token=lambda: token)
    return [step for steps in made.values() for step in steps]


def connected(server: Server) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(server.socket_path))
    return sock


def read(sock: socket.socket, count: int) -> list[Any]:
    reader, replies = hiredis.Reader(notEnoughData=Ellipsis), []
    while len(replies) < count:
        reply = reader.gets()
        if reply is Ellipsis:
            reader.feed(sock.recv(65_536))
        else:
            replies.append(reply)
    return replies


def replies_to(server: Server, made: list[Step]) -> list[list[Any]]:
    """Write the steps as `append` would, on a connection of their own."""
    with connected(server) as sock:
        found = []
        for step in made:
            sock.sendall(b"".join(step.pieces()))
            found.append(read(sock, step.replies))
    return found
