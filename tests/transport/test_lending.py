"""Lent connections: one user at a time, never a dead one, never across a fork."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pytest

from django_redis_bus.core.exceptions import PublishError, Unavailable
from django_redis_bus.transport.clients import Clients
from django_redis_bus.transport.commands import call
from tests.servers import Server
from tests.transport.appending import Connect


def ask(clients: Clients, *command: str) -> object:
    return call(clients, *command, deadline_s=5.0)


def connections(server: Server) -> int:
    return sum(c["name"] == "django-redis-bus" for c in server.client().client_list())


def test_a_connection_serves_one_after_the_other(own_server: Callable[..., Server], clients_of: Connect) -> None:
    server = own_server(aof=False)
    clients = clients_of(server)

    ids = {ask(clients, "CLIENT", "ID") for _ in range(10)}

    assert len(ids) == 1


def test_threads_never_read_each_others_answers(own_server: Callable[..., Server], clients_of: Connect) -> None:
    server = own_server(aof=False)
    clients = clients_of(server)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda n: ask(clients, "ECHO", str(n)), range(2_000)))

    assert answers == [str(n).encode() for n in range(2_000)]
    assert 1 <= connections(server) <= 8


def test_one_that_the_server_has_closed_is_replaced(own_server: Callable[..., Server], clients_of: Connect) -> None:
    server = own_server(aof=False)
    clients = clients_of(server)
    first = ask(clients, "CLIENT", "ID")

    server.client().execute_command("CLIENT", "KILL", "ID", str(first))
    second = ask(clients, "CLIENT", "ID")

    assert second != first
    assert connections(server) == 1


def test_one_is_dropped_after_a_failure_and_kept_after_a_refusal(
    own_server: Callable[..., Server], clients_of: Connect
) -> None:
    server = own_server(aof=False)
    clients = clients_of(server)
    first = ask(clients, "CLIENT", "ID")

    with pytest.raises(PublishError, match="unknown command"):
        ask(clients, "NOSUCH")
    refused = ask(clients, "CLIENT", "ID")
    with pytest.raises(Unavailable):
        call(clients, "BLPOP", "nothing", "0", deadline_s=0.05)
    lost = ask(clients, "CLIENT", "ID")

    assert refused == first
    assert lost != first


def test_a_child_process_connects_for_itself(own_server: Callable[..., Server], clients_of: Connect) -> None:
    server = own_server(aof=False)
    clients = clients_of(server)
    mine = ask(clients, "CLIENT", "ID")

    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, str(ask(clients, "CLIENT", "ID")).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    theirs = int(os.read(reader, 20))
    os.close(reader)
    os.close(writer)

    assert theirs != mine
    assert ask(clients, "CLIENT", "ID") == mine


def test_a_child_process_waits_for_no_thread_of_its_parent(
    own_server: Callable[..., Server], clients_of: Connect
) -> None:
    # Given a process that forks while another thread of it prepares the first connection
    clients = clients_of(own_server(aof=False))
    with clients._lock:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(5)
            os._exit(0 if ask(clients, "PING") == b"PONG" else 1)
    _, status = os.waitpid(pid, 0)

    assert status == 0


def test_closing_closes_all_and_the_next_use_connects_anew(
    own_server: Callable[..., Server], clients_of: Connect
) -> None:
    server = own_server(aof=False)
    clients = clients_of(server)
    thread = Thread(target=ask, args=(clients, "PING"))
    thread.start()
    thread.join()
    ask(clients, "PING")

    clients.close()
    while connections(server):
        pass

    assert ask(clients, "PING") == b"PONG"
