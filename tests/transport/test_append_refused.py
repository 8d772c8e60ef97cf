"""What the server refuses for a moment is not overtaken by what stands behind it in its stream."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from django_redis_bus.core.exceptions import AccessRefused, BusError, Unavailable
from django_redis_bus.transport import publish
from django_redis_bus.transport.plan import PER_BATCH, PER_SCRIPT
from django_redis_bus.transport.publish import CHUNK, CHUNK_BYTES, Appended, Entry
from tests.servers import Server
from tests.transport.appending import WINDOW_S, Connect, colours, entries, entry, put, stored

Own = Callable[..., Server]

KINDS: dict[str, Callable[[int], dict[str, object]]] = {
    "batches": lambda n: {},
    "scripts": lambda n: {"once": True},
    "tokens": lambda n: {"token": f"t{n // 70}"},
    "mixed": lambda n: {"once": n // 30 % 2 == 0},
}
kinds = pytest.mark.parametrize(
    ("kind", "window_s"), [*((kind, WINDOW_S) for kind in KINDS), ("batches", None)], ids=[*KINDS, "plain"]
)


@colours
@kinds
async def test_a_server_that_flickers_keeps_the_order(
    own_server: Own, prefix: str, clients_of: Connect, colour: str, kind: str, window_s: float | None
) -> None:
    # Given a server that refuses writes for some milliseconds, again and again
    server = own_server(aof=False)
    clients = clients_of(server)
    torn = 0
    with flickering(server):
        for attempt in range(400):
            name = f"{prefix}:{attempt}"
            what = [entry(name, n, **KINDS[kind](n)) for n in range(900)]

            found = await put(clients, what, colour, window_s=window_s)

            # Then what was added are the first
            added = sum(isinstance(f, Appended) for f in found)
            assert stored(server.client(), name) == list(range(added))
            assert all(isinstance(f, Appended) for f in found[:added])
            assert {type(f) for f in found[added:]} <= {Unavailable}
            torn += 0 < added < len(what)
            if torn and attempt >= 39:
                break
    assert torn


@colours
@kinds
async def test_a_refusal_that_ends_holds_back_the_rest_of_its_stream_alone(
    own_server: Own,
    prefix: str,
    clients_of: Connect,
    monkeypatch: pytest.MonkeyPatch,
    colour: str,
    kind: str,
    window_s: float | None,
) -> None:
    # Given a user who may not write to one of two streams, until the first answers have come
    server = own_server(aof=False)
    allow(server, "resetkeys", f"~{prefix}:b", f"~{{{prefix}:b}}*", f"~{{{prefix}:a}}*")
    settle = publish._Chunk.settle

    def settled(work: publish._Chunk) -> None:
        allow(server, "~*")
        settle(work)

    monkeypatch.setattr(publish._Chunk, "settle", settled)
    what = [entry(prefix, n, stream="ab"[n % 2], **KINDS[kind](n)) for n in range(2 * CHUNK + 10)]

    # When more is appended than goes in one step, and in one piece
    found = await put(clients_of(server), what, colour, window_s=window_s)

    assert {type(f) for f in found[::2]} == {AccessRefused}
    assert "not sent, because of an event before it: Redis at" in str(found[2 * PER_BATCH])
    assert "not sent" in str(found[-2])
    assert {type(f) for f in found[1::2]} == {Appended}
    assert stored(server.client(), prefix, "a") == []
    assert stored(server.client(), prefix, "b") == list(range(1, len(what), 2))


@colours
async def test_a_script_adds_nothing_behind_a_refused_entry(
    own_server: Own, prefix: str, clients_of: Connect, colour: str
) -> None:
    # Given a user who may not write one of the side keys that the script looks at
    server = own_server(aof=False)
    client = server.client()
    [there] = await put(clients_of(server), [entry(prefix, 3, once=True)], colour)
    allow(server, "resetkeys", f"~{prefix}:s", f"~{{{prefix}:s}}:dedup:e*", "(+eval +evalsha +mget ~*)")
    what = [entry(prefix, 0, once=True), entry(prefix, 1, token="t"), *entries(prefix, 5, once=True)[2:]]

    found = await put(clients_of(server), what, colour)

    assert [type(f) for f in found] == [Appended, AccessRefused, AccessRefused, Appended, AccessRefused]
    assert found[3] == Appended(there.entry_id, True)  # type: ignore[union-attr]
    client.execute_command("ACL", "SETUSER", "default", "clearselectors", "~*")
    assert stored(client, prefix) == [3, 0]


@colours
async def test_an_entry_refused_for_its_own_sake_stops_no_other(
    any_server: Server, prefix: str, clients_of: Connect, colour: str
) -> None:
    big = Entry(f"{prefix}:s", "big", ["n", "1"] * 4_000, once=True)
    what = [big, *entries(prefix, 2 * PER_SCRIPT, once=True), *entries(f"{prefix}:b", 2)]

    found = await put(clients_of(any_server), what, colour)

    assert isinstance(found[0], BusError)
    assert {type(f) for f in found[1:]} == {Appended}


@colours
async def test_large_events_of_one_piece_share_its_deadline(
    own_server: Own, prefix: str, clients_of: Connect, monkeypatch: pytest.MonkeyPatch, colour: str
) -> None:
    # Given events so large that each leaves by itself, and slow answers
    settle = publish._Chunk.settle
    monkeypatch.setattr(publish._Chunk, "settle", lambda work: (time.sleep(0.3), settle(work)))
    text = b"x" * (CHUNK_BYTES // 2 + 1)
    what = [Entry(f"{prefix}:s", f"e{n}", ["n", str(n), "data", text]) for n in range(8)]

    started = time.monotonic()
    found = await put(clients_of(own_server(aof=False)), what, colour, deadline_s=0.5)
    took_s = time.monotonic() - started
    await asyncio.sleep(0.2)  # until what was cut off is closed

    assert took_s < 1.5
    assert isinstance(found[0], Appended)
    assert isinstance(found[-1], Unavailable)
    assert found[-1].token == ""


def allow(server: Server, *rules: str) -> None:
    server.client().execute_command("ACL", "SETUSER", "default", *rules)


@contextmanager
def flickering(server: Server) -> Iterator[None]:
    """NOREPLICAS for two milliseconds of every four."""
    client, ended = server.client(), threading.Event()

    def flicker() -> None:
        while not ended.is_set():
            for replicas in (1, 0):
                client.config_set("min-replicas-to-write", replicas)
                time.sleep(0.002)

    thread = threading.Thread(target=flicker)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
