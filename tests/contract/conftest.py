from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contract.consuming import Contract
from tests.servers import Server


@pytest.fixture
def contract(any_server: Server, prefix: str, bus_settings: Callable[..., None]) -> Iterator[Contract]:
    """A stream, its consumers, and what Redis holds of them: see Contract."""
    made = Contract(any_server, prefix)
    bus_settings(LOCATION=any_server.url, LEASE=2, DRAIN=5)
    yield made
    made.close()


@pytest.fixture
def configure(any_server: Server, bus_settings: Callable[..., None]) -> Callable[..., None]:
    """Change settings of the bus that `contract` uses; before anything is declared."""

    def change(**more: Any) -> None:
        bus_settings(**({"LOCATION": any_server.url, "LEASE": 2, "DRAIN": 5} | more))

    return change
