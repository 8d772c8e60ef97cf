from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from tests.app.models import Parcel
from tests.publishers.conftest import Configure, data, events, types

__all__ = ["Configure", "Data", "Queries", "data", "events", "parcels", "types"]

Data = Callable[[], list[Any]]
Queries = Callable[..., Any]


def parcels(*statuses: str, **fields: Any) -> list[Parcel]:
    """Rows that nobody is told of."""
    return [Parcel.plain.create(status=status, **fields) for status in statuses]


@pytest.fixture
def publisher(bus_settings: Callable[..., None]) -> Configure:
    """Configure one publisher, of Parcel unless told otherwise, that sends at once: publisher(FIELDS=["status"], …)."""

    def configure(**entry: Any) -> None:
        defaults = {"MODEL": "tests_app.Parcel", "TOPIC": "events:order", "DELIVERY": "immediate"}
        bus_settings(STREAMS={"events:order": {}, "tenant:{tenant}:orders": {}}, PUBLISHERS={"p": defaults | entry})

    return configure


@pytest.fixture
def queries() -> Queries:
    """Assert how many queries a block makes: `with queries(3, using="default"):`; savepoints do not count."""

    @contextmanager
    def count(number: int, using: str = "default") -> Iterator[None]:
        with CaptureQueriesContext(connections[using]) as captured:
            yield
        made = [q["sql"] for q in captured if not q["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT"))]
        assert len(made) == number, "\n".join(made)

    return count
