"""What the tests of operations have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from tests.contract.consuming import Contract
from tests.operations.seeing import Scene
from tests.operations.ward import Ward
from tests.servers import Server


@pytest.fixture
def scene(bus_settings: Callable[..., None], redis_client: redis.Redis, prefix: str) -> Scene:
    """The test's own bus on the main server."""
    return Scene(redis_client, prefix)


@pytest.fixture
def ward(any_server: Server, prefix: str, bus_settings: Callable[..., None]) -> Ward:
    """A stream and a group of it in need of help: see Ward. On each server program in turn."""
    bus_settings(LOCATION=any_server.url)
    return Ward(any_server.client(), prefix)


@pytest.fixture
def contract(any_server: Server, prefix: str, bus_settings: Callable[..., None]) -> Iterator[Contract]:
    """A stream and consumers of it in threads: see Contract."""
    bus_settings(LOCATION=any_server.url, LEASE=2, DRAIN=5)
    made = Contract(any_server, prefix)
    yield made
    made.close()
