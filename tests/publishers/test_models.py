"""MODEL: actions, data, type, key, subject, topic."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import django
import pytest
from django.core.files.base import ContentFile
from django.db.models import F
from django.utils.safestring import mark_safe

from django_redis_bus.testing import Captured
from tests.app.models import Customer, Order, Product, Seat, Secret, Ticket

from .conftest import Configure

pytestmark = pytest.mark.django_db

Data = Callable[[], list[Any]]


def test_a_save_becomes_an_event_with_nothing_but_the_key(publisher: Configure, events: list[Captured]) -> None:
    # Given a publisher that names no fields
    publisher()
    # When an order is saved
    order = Order.objects.create(status="new")
    # Then its event holds the primary key, and is addressed by it
    [event] = [captured.event for captured in events]
    assert event.data == {"id": order.pk}
    assert event.type == "tests_app.order.created"
    assert (event.key, event.subject) == (str(order.pk), str(order.pk))
    assert event.topic == "events:order"


def test_created_updated_deleted(publisher: Configure, types: Data) -> None:
    publisher()
    order = Order.objects.create()
    order.save()
    order.delete()
    assert types() == ["created", "updated", "deleted"]


@pytest.mark.parametrize("action", ["created", "updated", "deleted"])
def test_only_the_actions_asked_for(publisher: Configure, types: Data, action: str) -> None:
    publisher(ACTIONS=[action])
    order = Order.objects.create()
    order.save()
    order.delete()
    assert types() == [action]


def test_the_deleted_event_knows_its_key(publisher: Configure, events: list[Captured]) -> None:
    publisher(ACTIONS=["deleted"], FIELDS=["id", "status"])
    order = Order.objects.create(status="paid")
    pk = order.pk
    order.delete()
    assert events[0].event.data == {"id": pk, "status": "paid"}
    assert events[0].event.subject == str(pk)


def test_named_fields_and_no_others(publisher: Configure, data: Data) -> None:
    publisher(FIELDS=["status", "total"])
    Order.objects.create(status="paid", total=Decimal("9.90"))
    assert data() == [{"status": "paid", "total": "9.90"}]


def test_a_foreign_key_is_its_raw_id_under_either_name(
    publisher: Configure, data: Data, django_assert_num_queries: Any
) -> None:
    customer = Customer.objects.create(name="Ann")
    order = Order.objects.create(customer=customer)
    publisher(FIELDS=["customer", "customer_id"])
    order = Order.objects.get(pk=order.pk)
    with django_assert_num_queries(1):  # the UPDATE
        order.save()
    assert data() == [{"customer": customer.pk, "customer_id": customer.pk}]


def test_all_fields(publisher: Configure, data: Data) -> None:
    publisher(FIELDS="__all__")
    when = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
    order = Order.objects.create(placed_at=when, extra={"gift": True})
    assert data() == [
        {
            "id": order.pk,
            "customer": None,
            "status": "new",
            "total": "0.00",
            "placed_at": "2026-11-22T12:30:00Z",
            "invoice": "",
            "extra": {"gift": True},
        }
    ]


def test_exclude_means_all_but_these(publisher: Configure, data: Data) -> None:
    publisher(MODEL="tests_app.Secret", EXCLUDE=["token"])
    customer = Customer.objects.create(name="Ann")
    secret = Secret.objects.create(owner=customer, token="hush")
    assert data() == [{"id": secret.pk, "owner": customer.pk}]


def test_a_file_is_its_name(publisher: Configure, data: Data, settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = str(tmp_path)
    publisher(FIELDS=["invoice"])
    order = Order()
    order.invoice.save("i.pdf", ContentFile(b"pdf"))
    assert data() == [{"invoice": order.invoice.name}]


def test_values_are_what_is_stored_not_what_was_assigned(publisher: Configure, data: Data) -> None:
    # Given values that Django accepts and stores as something else
    publisher(FIELDS=["status", "total", "placed_at"])
    # When they are saved
    order = Order(status=mark_safe("paid"), total="9.90", placed_at="2026-11-22T12:30:00+00:00")
    order.save()
    # Then the event says the same as one of the loaded instance
    Order.objects.get(pk=order.pk).save()
    first, second = data()
    assert first == second == {"status": "paid", "total": "9.90", "placed_at": "2026-11-22T12:30:00Z"}


def test_expressions_are_read_back_with_one_query(
    publisher: Configure, data: Data, django_assert_num_queries: Any
) -> None:
    product = Product.objects.create(sku="a", stock=5, reserved=1)
    publisher(MODEL="tests_app.Product", FIELDS=["sku", "stock", "reserved"])
    product.stock = F("stock") + 1
    product.reserved = F("reserved") + 1
    # From 6.0 on, Django reads them back itself, in the UPDATE.
    with django_assert_num_queries(2 if django.VERSION < (6, 0) else 1):
        product.save()
    assert data() == [{"sku": "a", "stock": 6, "reserved": 2}]


def test_generated_columns_are_up_to_date(publisher: Configure, data: Data) -> None:
    publisher(MODEL="tests_app.Product", FIELDS=["available"])
    product = Product.objects.create(sku="a", stock=5, reserved=1)
    product.reserved = 3
    product.save()
    assert data() == [{"available": 4}, {"available": 2}]


def test_deferred_fields_are_read_with_one_query(
    publisher: Configure, data: Data, django_assert_num_queries: Any
) -> None:
    pk = Order.objects.create(status="paid", total=3).pk
    publisher(FIELDS=["id", "status", "total"])
    order = Order.objects.only("id").get(pk=pk)
    order.extra = {"seen": 1}
    with django_assert_num_queries(2):
        order.save(update_fields=["extra"])
    assert data() == [{"id": pk, "status": "paid", "total": "3.00"}]


def test_deferred_fields_of_a_deleted_row_are_read_before_it_goes(publisher: Configure, data: Data) -> None:
    pk = Order.objects.create(status="paid").pk
    publisher(FIELDS=["status", "total"], ACTIONS=["deleted"])
    Order.objects.only("id").get(pk=pk).delete()
    assert data() == [{"status": "paid", "total": "0.00"}]


def test_a_payload_function_builds_the_data(publisher: Configure, data: Data) -> None:
    publisher(PAYLOAD="tests.publishers.examples.order_payload")
    order = Order.objects.create()
    order.save()
    assert data() == [{"order": order.pk, "what": "created"}, {"order": order.pk, "what": "updated"}]


def test_when_says_no(publisher: Configure, types: Data) -> None:
    publisher(WHEN="tests.publishers.examples.is_paid")
    order = Order.objects.create(status="new")
    order.status = "paid"
    order.save()
    assert types() == ["updated"]


def test_key_by_field_and_by_attribute_path(publisher: Configure, events: list[Captured]) -> None:
    customer = Customer.objects.create(name="ann", email="a@example.org")
    publisher(KEY="status")
    order = Order.objects.create(customer=customer)
    publisher(KEY="customer.name")
    order.save()
    assert [captured.event.key for captured in events] == ["new", "ann"]
    assert events[0].event.subject == str(order.pk)


def test_an_empty_key_is_no_key(publisher: Configure, events: list[Captured]) -> None:
    publisher(KEY="customer")
    Order.objects.create()
    publisher(KEY="invoice")
    Order.objects.create()
    assert [captured.event.key for captured in events] == [None, None]


def test_type_with_the_action_in_it(publisher: Configure, events: list[Captured]) -> None:
    publisher(TYPE="com.example.order-{action}")
    order = Order.objects.create()
    order.save()
    assert [captured.event.type for captured in events] == [
        "com.example.order-created",
        "com.example.order-updated",
    ]


def test_topic_placeholders_are_looked_up_on_the_instance(publisher: Configure, events: list[Captured]) -> None:
    publisher(TOPIC="tenant:{customer.name}:orders")
    Order.objects.create(customer=Customer.objects.create(name="acme"))
    assert [captured.event.topic for captured in events] == ["tenant:acme:orders"]


def test_type_placeholders_are_looked_up_on_the_instance(publisher: Configure, events: list[Captured]) -> None:
    publisher(TYPE="shop.order.{status}.{action}")
    order = Order.objects.create(status="new")
    order.status = "paid"
    order.save()
    order.delete()
    assert [captured.event.type for captured in events] == [
        "shop.order.new.created",
        "shop.order.paid.updated",
        "shop.order.paid.deleted",
    ]


def test_a_uuid_key(publisher: Configure, events: list[Captured]) -> None:
    publisher(MODEL="tests_app.Ticket")
    ticket = Ticket.objects.create(title="broken")
    ticket.delete()
    assert [captured.event.subject for captured in events] == [str(events[0].event.data["id"])] * 2
    assert events[0].event.type == "tests_app.ticket.created"


def test_a_uuid_key_given_as_text_is_the_same_key(publisher: Configure, events: list[Captured]) -> None:
    publisher(MODEL="tests_app.Ticket")
    Ticket.objects.create(id="12345678123456781234567812345678")
    assert events[0].event.subject == "12345678-1234-5678-1234-567812345678"


def test_a_key_with_another_name(publisher: Configure, events: list[Captured]) -> None:
    publisher(MODEL="tests_app.Product")
    Product.objects.create(sku="a-1")
    assert (events[0].event.data, events[0].event.subject) == ({"sku": "a-1"}, "a-1")


def test_a_composite_key(publisher: Configure, events: list[Captured]) -> None:
    publisher(MODEL="tests_app.Seat", ONLY_IF_CHANGED=["taken"])
    seat = Seat.objects.create(row="C", number=7)
    seat.save()
    seat.taken = True
    seat.save()
    seat.delete()
    assert [captured.event.data for captured in events] == [{"row": "C", "number": 7}] * 3
    assert {(captured.event.subject, captured.event.key) for captured in events} == {("C,7", "C,7")}


def test_pk_is_a_field_name_too(publisher: Configure, data: Data) -> None:
    publisher(MODEL="tests_app.Product", FIELDS=["pk", "stock"])
    Product.objects.create(sku="a-1")
    assert data() == [{"pk": "a-1", "stock": 0}]


def test_fixtures_are_skipped_unless_raw(publisher: Configure, types: Data) -> None:
    publisher()
    Order(pk=7).save_base(raw=True)
    assert types() == []
    publisher(RAW=True)
    Order(pk=8).save_base(raw=True)
    assert types() == ["created"]


def test_update_or_create_and_get_or_create_publish(publisher: Configure, types: Data) -> None:
    publisher()
    Order.objects.get_or_create(pk=1)
    Order.objects.get_or_create(pk=1)
    Order.objects.update_or_create(pk=1, defaults={"status": "paid"})
    assert types() == ["created", "updated"]
