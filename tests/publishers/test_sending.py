"""From a save to the entries of a real stream."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis
from django.db import transaction

from tests.app.models import Customer, Order

from .conftest import Configure

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_transaction_becomes_entries_in_its_order(
    publisher: Configure, redis_client: redis.Redis, prefix: str
) -> None:
    # Given a publisher that waits for the commit
    publisher(DELIVERY="on_commit", FIELDS=["status"])
    stream = f"{prefix}:events:order"
    # When a transaction saves and deletes, and another is rolled back
    with transaction.atomic():
        order = Order.objects.create(status="new")
        pk = str(order.pk).encode()
        order.status = "paid"
        order.save()
        order.delete()
        assert redis_client.exists(stream) == 0
    with transaction.atomic():
        Order.objects.create(status="lost")
        transaction.set_rollback(True)
    # Then the stream holds the one and not the other
    entries = [fields for _, fields in redis_client.xrange(stream)]
    assert [(e[b"ce_type"], e[b"ce_subject"], e[b"data"]) for e in entries] == [
        (b"tests_app.order.created", pk, b'{"status":"new"}'),
        (b"tests_app.order.updated", pk, b'{"status":"paid"}'),
        (b"tests_app.order.deleted", pk, b'{"status":"paid"}'),
    ]


def test_topics_by_tenant(publisher: Configure, redis_client: redis.Redis, prefix: str) -> None:
    publisher(DELIVERY="on_commit", TOPIC="tenant:{customer.name}:orders")
    with transaction.atomic():
        for name in ("acme", "emca"):
            Order.objects.create(customer=Customer.objects.create(name=name))
    assert redis_client.xlen(f"{prefix}:tenant:acme:orders") == 1
    assert redis_client.xlen(f"{prefix}:tenant:emca:orders") == 1


def test_a_save_survives_a_redis_that_is_not_there(
    bus_settings: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    entry = {"MODEL": "tests_app.Order", "TOPIC": "events:order"}
    nowhere = {"LOCATION": "redis://127.0.0.1:1/0", "ON_FAILURE": "raise"}
    bus_settings(STREAMS={"events:order": {}}, PUBLISHERS={"p": entry}, **nowhere)
    order = Order.objects.create()
    assert Order.objects.count() == 1
    assert f"1 event(s): p: tests_app.Order '{order.pk}' created" in caplog.text
