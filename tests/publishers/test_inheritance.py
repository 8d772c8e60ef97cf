"""Proxies and multi-table children: one event for each thing that happens to a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.testing import Captured
from tests.app.models import Customer, GiftOrder, Order, RushOrder

from .conftest import Configure

pytestmark = pytest.mark.django_db

Data = Callable[[], list[Any]]


@pytest.mark.parametrize("configured", ["tests_app.Order", "tests_app.RushOrder"])
@pytest.mark.parametrize("saved", [Order, RushOrder])
def test_a_proxy_and_its_model_are_the_same_to_a_publisher(
    publisher: Configure, types: Data, configured: str, saved: type[Order]
) -> None:
    publisher(MODEL=configured)
    order = saved.objects.create()
    order.save()
    order.delete()
    assert types() == ["created", "updated", "deleted"]


def test_the_type_names_the_configured_model(publisher: Configure, events: list[Captured]) -> None:
    publisher()
    RushOrder.objects.create()
    GiftOrder.objects.create()
    assert {captured.event.type for captured in events} == {"tests_app.order.created"}


def test_a_child_gives_one_event_for_each_action(publisher: Configure, events: list[Captured], types: Data) -> None:
    # Given a publisher on the parent
    publisher(FIELDS=["id", "status"])
    # When a child lives
    gift = GiftOrder.objects.create(status="paid")
    pk = gift.pk
    gift.save()
    gift.delete()
    # Then each save and the deletion is one event, about the parent's row
    assert types() == ["created", "updated", "deleted"]
    assert [captured.event.data for captured in events] == [{"id": pk, "status": "paid"}] * 3


def test_children_are_left_out_if_asked(publisher: Configure, types: Data) -> None:
    publisher(INCLUDE_SUBCLASSES=False)
    gift = GiftOrder.objects.create()
    gift.save()
    gift.delete()
    assert types() == []
    Order.objects.create().delete()
    assert types() == ["created", "deleted"]


def test_a_child_that_leaves_its_parent_behind_deletes_nothing_of_the_parent(publisher: Configure, types: Data) -> None:
    gift = GiftOrder.objects.create()
    publisher()
    gift.delete(keep_parents=True)
    assert Order.objects.count() == 1
    assert types() == []


def test_a_publisher_on_the_child_hears_the_child_alone(publisher: Configure, types: Data) -> None:
    publisher(MODEL="tests_app.GiftOrder", FIELDS=["message", "status"])
    Order.objects.create()
    gift = GiftOrder.objects.create()
    gift.save()
    gift.delete()
    assert types() == ["created", "updated", "deleted"]


def test_deleting_the_parent_of_a_child_is_a_deletion_of_the_child(publisher: Configure, types: Data) -> None:
    gift = GiftOrder.objects.create()
    publisher(MODEL="tests_app.GiftOrder")
    Order.objects.get(pk=gift.pk).delete()
    assert types() == ["deleted"]


def test_a_cascade_gives_one_event_per_row(publisher: Configure, data: Data) -> None:
    # Given a customer with an order and an order that is also a gift
    customer = Customer.objects.create(name="Ann")
    plain = Order.objects.create(customer=customer)
    gift = GiftOrder.objects.create(customer=customer)
    ids = {plain.pk, gift.pk}
    publisher()
    # When the customer goes, which deletes parent rows and child rows
    customer.delete()
    # Then each order is gone once
    assert len(data()) == 2
    assert {each["id"] for each in data()} == ids


@pytest.mark.parametrize("configured", ["tests_app.Order", "tests_app.RushOrder"])
def test_a_row_collected_as_proxy_and_as_parent_is_deleted_once(
    publisher: Configure, data: Data, configured: str
) -> None:
    gift = GiftOrder.objects.create()
    pk = gift.pk
    publisher(MODEL=configured)
    # The collector holds this row as a RushOrder, and, as the parent of the gift, as an Order.
    RushOrder.objects.get(pk=pk).delete()
    assert data() == [{"id": pk}]


def test_the_same_object_can_be_deleted_again(publisher: Configure, types: Data) -> None:
    publisher(ACTIONS=["deleted"])
    order = Order.objects.create(pk=5)
    order.delete()
    order.pk = 5
    order.save()
    order.delete()
    assert types() == ["deleted", "deleted"]


def test_a_queryset_can_delete_again(publisher: Configure, types: Data) -> None:
    publisher(ACTIONS=["deleted"], INCLUDE_SUBCLASSES=False)
    every = Order.objects.all()
    for _ in range(2):
        Order.objects.create(pk=5)
        GiftOrder.objects.create(pk=6)
        every.delete()
    assert types() == ["deleted", "deleted"]


def test_a_queryset_of_children(publisher: Configure, data: Data) -> None:
    ids = {GiftOrder.objects.create().pk for _ in range(3)}
    publisher()
    GiftOrder.objects.all().delete()
    assert {each["id"] for each in data()} == ids
    assert len(data()) == 3


def test_models_without_publishers_keep_their_fast_deletes(
    publisher: Configure, django_assert_num_queries: Any
) -> None:
    publisher(ACTIONS=["deleted"])
    from tests.app.models import OrderLine

    order = Order.objects.create()
    OrderLine.objects.bulk_create([OrderLine(order=order, sku=str(i)) for i in range(3)])
    with django_assert_num_queries(1):  # one DELETE, no SELECT
        OrderLine.objects.all().delete()
