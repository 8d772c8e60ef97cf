from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.inbox import Inbox, pruning


@pytest.fixture(autouse=True)
def pruned_lately(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """When which database is pruned next: not during the test, unless it says so."""
    moments = dict.fromkeys(("default", "other", "postgresql", "mariadb"), float("inf"))
    monkeypatch.setattr(pruning, "_next", moments)
    return moments


@pytest.fixture
def inbox(database: str) -> Callable[..., Inbox]:
    """A factory of the inbox of a group, in the test's database."""

    def make(**options: Any) -> Inbox:
        usual = {"bus": "default", "group": "billing", "name": "shop.handlers.charge", "using": database}
        return Inbox(**(usual | options))

    return make
