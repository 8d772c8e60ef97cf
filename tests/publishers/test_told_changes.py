"""CHANGES."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from django.db import DatabaseError
from django.db.models import F

from django_redis_bus.publishers import changes
from django_redis_bus.testing import Captured
from tests.app.models import Customer, GiftOrder, Order, Product, Tag, Ticket

from .conftest import Configure

pytestmark = pytest.mark.django_db

Data = Callable[[], list[Any]]


@pytest.fixture
def order() -> Order:
    return Order.objects.create(status="new", total=Decimal("9.90"))


@pytest.fixture
def told(data: Data) -> Callable[[], list[Any]]:
    """The changes of what was sent until now."""
    return lambda: [each.get("changes", "none") for each in data()]


@pytest.fixture
def on_order(publisher: Configure, order: Order) -> None:
    publisher(FIELDS=["status", "total"], CHANGES=True)


@pytest.mark.usefixtures("on_order")
class TestOfNamedFields:
    def test_old_and_new_of_what_changed(self, order: Order, data: Data) -> None:
        order.status, order.extra = "paid", {"a": 1}
        order.save()
        changed = {"status": {"old": "new", "new": "paid"}}
        assert data() == [{"status": "paid", "total": "9.90", "changes": changed}]

    def test_nothing_changed(self, order: Order, told: Data) -> None:
        order.save()
        assert told() == [{}]

    def test_values_are_as_stored(self, order: Order, told: Data) -> None:
        order.total = "10.239"
        order.save()
        assert told() == [{"total": {"old": "9.90", "new": "10.24"}}]

    def test_only_updates_have_them(self, order: Order, publisher: Configure, told: Data) -> None:
        publisher(FIELDS=["status"], CHANGES=True, ACTIONS=["created", "updated", "deleted", "m2m_changed"])
        Order.objects.create()
        order.tags.add(Tag.objects.create(name="a"))
        order.delete()
        assert told() == ["none"] * 3

    def test_one_query_more(self, order: Order, django_assert_num_queries: Any) -> None:
        order.status = "paid"
        with django_assert_num_queries(2):
            order.save()

    def test_no_query_for_what_is_new(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(1):
            Order.objects.create()

    def test_no_query_for_other_update_fields(self, order: Order, told: Data, django_assert_num_queries: Any) -> None:
        order.status = "paid"
        with django_assert_num_queries(1):
            order.save(update_fields=["extra"])
        assert told() == [{}]

    def test_only_update_fields_are_looked_at(self, order: Order, told: Data) -> None:
        order.status, order.total = "paid", 5
        order.save(update_fields=["total"])
        assert told() == [{"total": {"old": "9.90", "new": "5.00"}}]

    def test_an_expression_is_read_once(self, order: Order, data: Data, django_assert_max_num_queries: Any) -> None:
        order.total = F("total") + 1
        with django_assert_max_num_queries(3):
            order.save()
        assert data() == [{"status": "new", "total": "10.90", "changes": {"total": {"old": "9.90", "new": "10.90"}}}]

    def test_expressions_are_read_together(
        self, order: Order, publisher: Configure, data: Data, django_assert_max_num_queries: Any
    ) -> None:
        publisher(FIELDS=["status"], ONLY_IF_CHANGED=["total"])
        order.total, order.status = F("total") + 1, F("id")
        with django_assert_max_num_queries(3):
            order.save()
        assert data() == [{"status": str(order.pk)}]

    def test_a_save_over_a_row_that_was_not_loaded(self, order: Order, told: Data) -> None:
        Order(pk=order.pk, status="paid", total=order.total).save()
        assert told() == [{"status": {"old": "new", "new": "paid"}}]

    def test_children_of_the_model(self, told: Data) -> None:
        gift = GiftOrder.objects.create()
        gift.status = "paid"
        gift.save()
        assert told() == ["none", {"status": {"old": "new", "new": "paid"}}]

    def test_the_row_could_not_be_read(
        self, order: Order, told: Data, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def refuse(*args: Any, **kwargs: Any) -> Any:
            raise DatabaseError("refused")

        monkeypatch.setattr(changes, "stored", refuse)
        order.status = "paid"
        order.save()
        assert told() == ["none"]
        assert "refused" in caplog.text


def test_with_only_if_changed_it_is_still_one_query(
    publisher: Configure, order: Order, told: Data, django_assert_num_queries: Any
) -> None:
    publisher(FIELDS=["status", "total"], ONLY_IF_CHANGED=["status"], CHANGES=True)
    order.total = 1
    with django_assert_num_queries(2):
        order.save()
    order.status, order.total = "paid", 2
    with django_assert_num_queries(2):
        order.save()
    with django_assert_num_queries(1):
        order.save(update_fields=["total"])
    assert told() == [{"status": {"old": "new", "new": "paid"}, "total": {"old": "1.00", "new": "2.00"}}]


def test_a_save_that_is_no_event_reads_nothing_more(
    publisher: Configure, order: Order, types: Data, django_assert_num_queries: Any
) -> None:
    publisher(FIELDS=["status", "total"], ONLY_IF_CHANGED=["status"], CHANGES=True)
    loaded = Order.objects.only("status").get(pk=order.pk)
    with django_assert_num_queries(2):
        loaded.save()
    assert types() == []


def test_names_are_those_of_the_data(publisher: Configure, order: Order, told: Data) -> None:
    customer = Customer.objects.create(name="Ann")
    publisher(FIELDS=["pk", "customer_id", "invoice", "extra"], CHANGES=True)
    order.customer, order.invoice, order.extra = customer, "a.pdf", {"b": [1]}
    order.save()
    assert told() == [
        {
            "customer_id": {"old": None, "new": customer.pk},
            "invoice": {"old": "", "new": "a.pdf"},
            "extra": {"old": {}, "new": {"b": [1]}},
        }
    ]


def test_every_column_but_some(publisher: Configure, order: Order, told: Data) -> None:
    publisher(EXCLUDE=["total", "extra"], CHANGES=True)
    order.status, order.total = "paid", 1
    order.save()
    assert told() == [{"status": {"old": "new", "new": "paid"}}]


def test_a_generated_column(publisher: Configure, told: Data) -> None:
    product = Product.objects.create(sku="a", stock=5)
    publisher(MODEL="tests_app.Product", FIELDS=["available"], CHANGES=True)
    product.stock = 7
    product.save(update_fields=["stock"])
    assert told() == [{"available": {"old": 5, "new": 7}}]


def test_a_key_that_python_makes_is_no_query(publisher: Configure, told: Data, django_assert_num_queries: Any) -> None:
    publisher(MODEL="tests_app.Ticket", FIELDS=["title"], CHANGES=True)
    with django_assert_num_queries(1):
        Ticket.objects.create(title="a")
    assert told() == ["none"]


class TestWithoutNames:
    """What is told is what ONLY_IF_CHANGED names."""

    def test_payload(self, publisher: Configure, order: Order, data: Data) -> None:
        publisher(PAYLOAD="tests.publishers.examples.order_payload", ONLY_IF_CHANGED=["status"], CHANGES=True)
        order.status, order.total = "paid", 1
        order.save()
        changed = {"status": {"old": "new", "new": "paid"}}
        assert data() == [{"order": order.pk, "what": "updated", "changes": changed}]

    def test_the_key_alone(self, publisher: Configure, order: Order, data: Data) -> None:
        publisher(ONLY_IF_CHANGED=["status"], CHANGES=True)
        order.status, order.total = "paid", 1
        order.save()
        assert data() == [{"id": order.pk, "changes": {"status": {"old": "new", "new": "paid"}}}]

    def test_data_that_is_no_mapping_stays_as_it_is(self, publisher: Configure, order: Order, data: Data) -> None:
        publisher(PAYLOAD="tests.publishers.examples.list_payload", ONLY_IF_CHANGED=["status"], CHANGES=True)
        order.status = "paid"
        order.save()
        assert data() == [["updated"]]

    @pytest.mark.parametrize("entry", [{}, {"PAYLOAD": "tests.publishers.examples.order_payload"}], ids=str)
    def test_nothing_leaves_that_nobody_named(
        self, publisher: Configure, order: Order, types: Data, caplog: pytest.LogCaptureFixture, entry: dict[str, str]
    ) -> None:
        publisher(CHANGES=True, **entry)
        assert "Publisher 'p' of bus 'default' publishes nothing: CHANGES tells old and new values" in caplog.text
        order.save()
        assert types() == []


class OrderEvent(msgspec.Struct):
    status: str
    changes: dict[str, Any] | None = None


def test_a_typed_payload(declare: Callable[..., Any], bus_settings: Any, order: Order, events: list[Captured]) -> None:
    declare("events:order", payload=OrderEvent)
    entry = {"MODEL": "tests_app.Order", "TOPIC": "events:order", "DELIVERY": "immediate"}
    bus_settings(PUBLISHERS={"p": entry | {"FIELDS": ["status"], "CHANGES": True}})
    order.status = "paid"
    order.save()
    Order.objects.create()
    assert [captured.event.data for captured in events] == [
        OrderEvent("paid", {"status": {"old": "new", "new": "paid"}}),
        OrderEvent("new", None),
    ]
