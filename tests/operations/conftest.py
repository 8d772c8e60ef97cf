from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.operations.scene import Scene
from tests.servers import Server


@pytest.fixture
def scene(any_server: Server, prefix: str, bus_settings: Callable[..., None]) -> Scene:
    """A stream and a group of it: see Scene. On each server program in turn."""
    bus_settings(LOCATION=any_server.url)
    return Scene(any_server.client(), prefix)
