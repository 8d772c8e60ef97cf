"""What the tests of the transport share."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from django_redis_bus.transport import embedded, server_process
from django_redis_bus.transport.clients import Clients
from tests.servers import Server
from tests.transport.groups import Group


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "bus"
    embedded.release(tmp_path / "bus")
    # Whatever a failed test left running.
    socket_path = server_process.running(tmp_path / "bus") if (tmp_path / "bus").exists() else None
    if socket_path:
        server_process.shut_down(tmp_path / "bus", socket_path)


@pytest.fixture
def connect() -> Iterator[Callable[[str], redis.Redis]]:
    made: list[redis.Redis] = []

    def make(url: str) -> redis.Redis:
        made.append(redis.Redis.from_url(url, socket_timeout=5))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def short_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bus-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def group(any_server: Server, prefix: str) -> Iterator[Group]:
    """One consumer group of one stream, and consumers of it: group.link("a")."""
    made = Group(any_server, prefix)
    yield made
    made.close()


@pytest.fixture
def clients_of() -> Iterator[Callable[..., Clients]]:
    """A factory of Clients, closed after the test: clients_of(server, path="?db=1")."""
    made: list[Clients] = []

    def make(server: Server, path: str = "") -> Clients:
        made.append(Clients(f"{server.url}{path}", options={}, embedded_dir=Path("/nonexistent")))
        return made[-1]

    yield make
    for clients in made:
        clients.close()
