"""Database connections of listeners: they are looked after as those of handlers are."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections

from django_redis_bus import Bus, Event
from tests.listening.conftest import Publish, until


@pytest.mark.django_db(transaction=True)
async def test_a_def_may_use_the_database_and_leaves_no_connection(bus: Bus, publish: Publish) -> None:
    seen: list[Any] = []

    def ask(event: Event[Any]) -> None:
        with connections["default"].cursor() as cursor:
            seen.append(cursor.execute("SELECT 1").fetchone())
        seen.append(connections["default"])

    subscription = await bus.subscribe("a", ask)
    await publish("a", "1")
    await until(lambda: len(seen) == 2)
    answer, wrapper = seen
    assert answer == (1,)
    assert wrapper.connection is not None

    await bus.unsubscribe(subscription)

    await until(lambda: wrapper.connection is None)


@pytest.mark.django_db(transaction=True)
async def test_a_connection_that_broke_is_replaced_after_the_failure(bus: Bus, publish: Publish) -> None:
    seen: list[Any] = []

    def ask(event: Event[Any]) -> None:
        seen.append(event.data)
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT 1")
        if event.data == 1:
            connections["default"].connection.close()  # as a server that goes away would
            connections["default"].errors_occurred = True
            raise ValueError("no")

    await bus.subscribe("a", ask)
    await publish("a", "1", "2", "3")

    await until(lambda: bus.live.counts["delivered"] == 2)
    assert seen == [1, 2, 3]
    assert bus.live.counts["failed"] == 1
