from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.fleet import Fleet
from tests.servers import Server


@pytest.fixture
def fleet_of(prefix: str, process_env: Callable[..., dict[str, str]], tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    """A factory of consumer processes on a server: fleet_of(server, topic="events:work")."""
    made: list[Fleet] = []

    def make(server: Server, topic: str = "events:work") -> Fleet:
        made.append(Fleet(server, prefix, topic, process_env, tmp_path))
        return made[-1]

    yield make
    for fleet in made:
        fleet.close()


@pytest.fixture
def fleet(server: Server, fleet_of: Callable[..., Fleet]) -> Fleet:
    """Consumer processes on the shared server, for tests that hurt only the consumers."""
    return fleet_of(server)
