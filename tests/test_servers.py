"""The servers that the fault tests hurt do get hurt, and come back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tests.servers import Server

HOLDER = """
import sys
from tests.servers import Server
server = Server(sys.argv[1]).start()
print(server.pid, server.directory, flush=True)
sys.stdin.read()
"""


def fill(client: redis.Redis) -> None:
    for n in range(1000):
        client.set(f"k{n}", b"x" * 100_000)


def test_each_program_answers_and_has_streams(any_server: Server, prefix: str) -> None:
    client = any_server.client()

    client.xadd(f"{prefix}:s", {"a": "1"})

    assert client.xlen(f"{prefix}:s") == 1


def test_a_killed_server_is_gone_and_comes_back_with_its_data(own_server: Callable[..., Server]) -> None:
    server = own_server(aof=True)
    client = server.client()
    client.set("k", "v")

    server.kill()
    assert not server.answers()
    server.start()

    assert client.get("k") == b"v"


def test_without_aof_a_restart_forgets(own_server: Callable[..., Server]) -> None:
    server = own_server(aof=False)
    client = server.client()
    client.set("k", "v")
    pid = server.pid

    server.restart()

    assert server.pid != pid
    assert client.get("k") is None


def test_a_frozen_server_keeps_connections_and_answers_nobody(own_server: Callable[..., Server]) -> None:
    server = own_server()

    server.freeze()
    assert not server.answers()
    server.thaw()

    assert server.answers()


def test_a_full_server_refuses_writes(own_server: Callable[..., Server]) -> None:
    client = own_server(aof=False, maxmemory="8mb").client()

    with pytest.raises(redis.exceptions.OutOfMemoryError):
        fill(client)


def test_a_server_does_not_outlive_a_suite_that_is_killed(server: Server) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, server.program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert holder.stdout is not None
    pid, directory = holder.stdout.readline().split()
    os.kill(int(pid), 0)

    holder.kill()
    holder.communicate()

    another = redis.Redis(unix_socket_path=f"{directory}/s", retry=None)
    deadline = time.monotonic() + 10
    try:
        while time.monotonic() < deadline:
            another.ping()
            time.sleep(0.01)
        os.kill(int(pid), signal.SIGKILL)
        pytest.fail("the server still answers")
    except redis.ConnectionError:
        pass
    finally:
        another.close()
