"""A publish never takes much longer than its deadline, and what it leaves in doubt can be sent again."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from django_redis_bus.core.exceptions import Unavailable
from django_redis_bus.transport.clients import Clients
from django_redis_bus.transport.commands import acall, call
from django_redis_bus.transport.publish import CHUNK, Appended, aappend, append
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

DEADLINE_S = 0.25
AT_MOST_S = 4 * DEADLINE_S  # the machine may be busy
Own = Callable[..., Server]


@colours
@windows
@programs
async def test_a_frozen_server_costs_one_deadline_however_many_entries(
    own_server: Own, prefix: str, clients_of: Connect, colour: str, window_s: float | None, program: str
) -> None:
    # Given a server that is frozen before the first publish, or after it
    server = own_server(program, aof=False)
    what = entries(prefix, 6 * CHUNK)
    for warm in (False, True):
        clients = clients_of(server)
        if warm:
            append(clients, entries(prefix, 1), window_s=window_s, deadline_s=5.0)
        server.freeze()

        with at_most():
            found = await put(clients, what, colour, window_s=window_s, deadline_s=DEADLINE_S)
        server.thaw()

        assert len(found) == len(what)
        assert {type(f) for f in found} == {Unavailable}
        assert "no answer within 0.25 s" in str(found[0])
        # the token tells what may have been added: of the first piece, if there was a connection to write it to
        assert bool(found[0].token) is (window_s is not None and (warm and colour == "sync"))  # type: ignore[union-attr]
        assert found[-1].token == ""  # type: ignore[union-attr]


@colours
async def test_a_server_that_answers_each_step_of_the_handshake_slowly(
    prefix: str, tmp_path: Path, colour: str
) -> None:
    # Given a server each of whose answers comes just within the deadline
    with answering(tmp_path, after_s=0.8 * DEADLINE_S) as url:
        clients = Clients(url, options={"username": "u", "password": "p"}, embedded_dir=tmp_path)

        with at_most(2 * DEADLINE_S):
            [found] = await put(clients, entries(prefix, 1), colour, deadline_s=DEADLINE_S)
        clients.close()

    assert isinstance(found, Unavailable)


@colours
async def test_a_server_that_answers_drop_by_drop(prefix: str, tmp_path: Path, colour: str) -> None:
    # Given one that sends its answers byte by byte, for much longer than the deadline
    with answering(tmp_path, after_s=DEADLINE_S / 10, size=1) as url:
        no_handshake = {"redis_connect_func": lambda connection: connection._parser.on_connect(connection)}
        clients = Clients(url, options=no_handshake, embedded_dir=tmp_path)

        with at_most(2 * DEADLINE_S):
            found = await put(clients, entries(prefix, 50), colour, window_s=None, deadline_s=DEADLINE_S)
        clients.close()

    assert isinstance(found[-1], Unavailable)


@colours
async def test_a_frozen_servers_late_answers_are_not_taken_for_those_of_the_next(
    own_server: Own, prefix: str, clients_of: Connect, colour: str
) -> None:
    # Given a connection whose handshake was cut off, in the same event loop
    server = own_server(aof=False)
    clients = clients_of(server)
    server.freeze()
    with pytest.raises(Unavailable):
        await asked(clients, colour, "PING", deadline_s=0.1)

    # When the next command is under way as the answers to the handshake come
    threading.Timer(0.3, server.thaw).start()
    answer = await asked(clients, colour, "ECHO", prefix, deadline_s=5.0)
    await clients.aclose()

    assert answer == prefix.encode()


@colours
@programs
@pytest.mark.parametrize("ends", ["thaw", "kill"])
async def test_what_is_in_doubt_is_there_once_when_it_is_sent_again(
    own_server: Own, prefix: str, clients_of: Connect, colour: str, program: str, ends: str
) -> None:
    # Given an event alone and a batch of 100, sent to a server that freezes
    server = own_server(program)
    clients = clients_of(server)
    alone, batch = [entry(prefix, 0, stream="a")], entries(prefix, 100)
    await asked(clients, "sync", "PING", deadline_s=5.0)
    server.freeze()
    [one] = append(clients, alone, window_s=WINDOW_S, deadline_s=0.1)
    clients_too = clients_of(server)
    server.thaw()
    await asked(clients_too, "sync", "PING", deadline_s=5.0)
    server.freeze()
    many = append(clients_too, batch, window_s=WINDOW_S, deadline_s=0.1)
    assert {type(f) for f in (one, *many)} == {Unavailable}
    tokens = {f.token for f in many}  # type: ignore[union-attr]
    assert len(tokens) == 1
    assert tokens != {""}

    # When it goes on, or is killed and started again, and they are sent again, twice
    if ends == "thaw":
        server.thaw()
    else:
        server.kill()
        server.start()
    again = [e._replace(once=True) for e in alone] + [e._replace(once=True, token=tokens.copy().pop()) for e in batch]
    for _ in range(2):
        found = await put(clients, again, colour)

    assert all(isinstance(f, Appended) and f.known for f in found)
    assert stored(server.client(), prefix, "a") == [0]
    assert stored(server.client(), prefix) == list(range(100))


@colours
async def test_a_server_killed_between_two_pieces(
    own_server: Own, prefix: str, clients_of: Connect, colour: str
) -> None:
    # Given a server that is killed at some moment while 20 pieces are appended
    server = own_server()
    clients = clients_of(server)
    what = entries(prefix, 20 * CHUNK)
    killer = threading.Thread(target=lambda: (time.sleep(0.05), server.kill()))
    killer.start()
    found = await put(clients, what, colour, deadline_s=2.0)
    killer.join()

    # When it is back and what failed is sent again as its error says
    server.start()
    left = [
        e._replace(token=f.token, once=True)
        for e, f in zip(what, found, strict=True)
        if isinstance(f, Unavailable)
    ]  # fmt: skip
    again = await put(clients, left, colour)

    assert all(isinstance(f, Appended) for f in again)
    assert stored(server.client(), prefix) == list(range(20 * CHUNK))


async def test_a_task_that_is_cancelled_leaves_no_answer_to_the_next(
    own_server: Own, prefix: str, clients_of: Connect
) -> None:
    # Given a publish that is cancelled while it waits
    server = own_server(aof=False)
    clients = clients_of(server)
    await put_here(clients, prefix, 0)
    server.freeze()
    task = asyncio.create_task(put_here(clients, prefix, 1))
    await asyncio.sleep(0.05)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.thaw()

    # Then the next one does not read its answer
    assert (await asked(clients, "async", "ECHO", "x", deadline_s=5.0)) == b"x"
    await clients.aclose()


async def put_here(clients: Clients, prefix: str, n: int) -> None:
    await aappend(clients, [entry(prefix, n)], window_s=WINDOW_S, deadline_s=5.0)


async def asked(clients: Clients, colour: str, *command: Any, deadline_s: float) -> Any:
    if colour == "sync":
        return call(clients, *command, deadline_s=deadline_s)
    return await acall(clients, *command, deadline_s=deadline_s)


@contextmanager
def at_most(seconds: float = AT_MOST_S) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


@contextmanager
def answering(directory: Path, *, after_s: float, size: int = 100) -> Iterator[str]:
    """A server that knows +OK only, and is slow to say it."""
    path = directory / "s"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with sock:
                try:
                    while sock.recv(65_536):
                        answer = b"+OK\r\n" * 100 if size == 1 else b"+OK\r\n"
                        for at in range(0, len(answer), size):
                            if ended.wait(after_s):
                                return
                            sock.sendall(answer[at : at + size])
                except OSError:
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"unix://{path}"
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
