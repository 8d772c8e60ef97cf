"""What the tests of operations have in common."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from tests.operations.seeing import Scene


@pytest.fixture
def scene(bus_settings: Callable[..., None], redis_client: redis.Redis, prefix: str) -> Scene:
    """The test's own bus on the main server."""
    return Scene(redis_client, prefix)
