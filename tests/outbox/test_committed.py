"""What Django takes for a commit, and was none, publishes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connections, transaction

from django_redis_bus.models import OutboxEvent
from tests.app.models import Order


@pytest.fixture
def published(bus_settings: Any, redis_client: Any, prefix: str) -> Any:
    """Configure an outbox publisher of Order; returns how many events are in the stream."""
    entry = {"MODEL": "tests_app.Order", "TOPIC": "events:order", "DELIVERY": "outbox"}
    bus_settings(STREAMS={"events:order": {}}, PUBLISHERS={"orders": entry})
    return lambda: redis_client.xlen(f"{prefix}:events:order")


@pytest.mark.databases(transaction=True)
def test_a_savepoint_made_by_hand_that_is_rolled_back(database: str, published: Any) -> None:
    with transaction.atomic(using=database):
        Order.objects.using(database).create(status="kept")
        # Its name since Django 6.1.
        savepoint_create = getattr(transaction, "savepoint_create", None) or transaction.savepoint
        savepoint = savepoint_create(using=database)
        Order.objects.using(database).create(status="ghost")
        transaction.savepoint_rollback(savepoint, using=database)
    assert Order.objects.using(database).count() == 1
    assert published() == 1


@pytest.mark.databases("postgresql", transaction=True)
def test_an_error_that_made_a_rollback_of_the_commit(database: str, published: Any) -> None:
    with transaction.atomic(using=database):
        Order.objects.using(database).create()
        # Of a cursor Django hears nothing, and PostgreSQL answers the COMMIT with a ROLLBACK.
        with pytest.raises(DatabaseError), connections[database].cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
    assert Order.objects.using(database).count() == 0
    assert OutboxEvent.objects.using(database).count() == 0
    assert published() == 0
