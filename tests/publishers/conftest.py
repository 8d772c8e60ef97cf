from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_redis_bus.testing import Captured, capture_events

Configure = Callable[..., None]


@pytest.fixture
def publisher(bus_settings: Callable[..., None]) -> Configure:
    """Configure one publisher, of Order unless told otherwise: publisher(FIELDS=["status"], …).

    It sends at once unless told otherwise: most tests are about what is sent.
    """

    def configure(**entry: Any) -> None:
        if "SIGNAL" not in entry:
            entry.setdefault("MODEL", "tests_app.Order")
        defaults = {"TOPIC": "events:order", "DELIVERY": "immediate"}
        bus_settings(STREAMS={"events:order": {}, "tenant:{tenant}:orders": {}}, PUBLISHERS={"p": defaults | entry})

    return configure


@pytest.fixture
def events(bus_settings: Callable[..., None]) -> Iterator[list[Captured]]:
    """What is sent during the test."""
    with capture_events() as captured:
        yield captured


@pytest.fixture
def data(events: list[Captured]) -> Callable[[], list[Any]]:
    """The data of what was sent until now."""
    return lambda: [captured.event.data for captured in events]


@pytest.fixture
def types(events: list[Captured]) -> Callable[[], list[str]]:
    """The last word of the types of what was sent until now."""
    return lambda: [captured.event.type.rpartition(".")[2] for captured in events]
