"""What the tests of operations have in common."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

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
