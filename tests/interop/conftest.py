"""Each of the other clients in turn, on the suite's own server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from django_redis_bus import Channel, bus, registry
from tests.conftest import missing
from tests.interop.peers import CliPeer, Lacking, NodePeer, peer
from tests.servers import Server

Peer = NodePeer | CliPeer


@pytest.fixture
def connect(server: Server) -> Iterator[Callable[[str], Peer]]:
    """A factory of clients on the main server: connect("ioredis")."""
    made: list[Peer] = []

    def make(name: str) -> Peer:
        try:
            made.append(peer(name, server.socket_path))
        except Lacking as error:
            missing(str(error))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(params=["redis", "ioredis", "redis-cli"])
def other(request: pytest.FixtureRequest, connect: Callable[[str], Peer]) -> Peer:
    """Each client in turn."""
    return connect(request.param)


@pytest.fixture
async def chat(bus_settings: Callable[..., None]) -> AsyncIterator[Channel[Any]]:
    """A channel with a history, declared for one test."""
    channel = Channel("chat:{room}", history=10)
    yield channel
    await bus.aclose()
    registry.remove_channel(channel)
