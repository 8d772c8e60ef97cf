"""m2m_changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.testing import Captured
from tests.app.models import GiftOrder, Order, Tag

from .conftest import Configure

pytestmark = pytest.mark.django_db

Data = Callable[[], list[Any]]


@pytest.fixture
def order() -> Order:
    return Order.objects.create(status="paid")


@pytest.fixture
def a() -> Tag:
    return Tag.objects.create(name="a")


@pytest.fixture
def b() -> Tag:
    return Tag.objects.create(name="b")


def m2m(data: list[Any]) -> list[tuple[str, str, list[int]]]:
    return [(each["m2m"]["field"], each["m2m"]["action"], each["m2m"]["ids"]) for each in data]


def test_add_remove_clear(publisher: Configure, events: list[Captured], order: Order, a: Tag, b: Tag) -> None:
    publisher(ACTIONS=["m2m_changed"], FIELDS=["status"])
    order.tags.add(a, b)
    order.tags.remove(a)
    order.tags.clear()
    assert m2m([captured.event.data for captured in events]) == [
        ("tags", "added", [a.pk, b.pk]),
        ("tags", "removed", [a.pk]),
        ("tags", "cleared", [b.pk]),
    ]
    assert {captured.event.type for captured in events} == {"tests_app.order.m2m_changed"}
    assert {captured.event.subject for captured in events} == {str(order.pk)}
    assert {captured.event.data["status"] for captured in events} == {"paid"}


def test_set(publisher: Configure, data: Data, order: Order, a: Tag, b: Tag) -> None:
    order.tags.add(a)
    publisher(ACTIONS=["m2m_changed"])
    order.tags.set([b])
    assert m2m(data()) == [("tags", "removed", [a.pk]), ("tags", "added", [b.pk])]


def test_nothing_added_or_cleared_is_no_event(publisher: Configure, data: Data, order: Order, a: Tag) -> None:
    order.tags.add(a)
    publisher(ACTIONS=["m2m_changed"])
    order.tags.add(a)
    assert data() == []
    order.tags.clear()
    order.tags.clear()
    assert len(data()) == 1


def test_other_actions_do_not_hear_of_it(publisher: Configure, data: Data, order: Order, a: Tag) -> None:
    publisher(ACTIONS=["created", "updated", "deleted"])
    order.tags.add(a)
    assert data() == []


def test_from_the_other_side_each_affected_instance_has_an_event(
    publisher: Configure, events: list[Captured], order: Order, a: Tag, django_assert_num_queries: Any
) -> None:
    # Given a publisher that says no more than the key
    other = Order.objects.create()
    publisher(ACTIONS=["m2m_changed"])
    # When orders are added to a tag
    a.orders.add(order, other)
    a.orders.remove(other)
    # Then each order has an event, as if the tag had been added to it, and no order was loaded
    assert [captured.event.data for captured in events] == [
        {"id": order.pk, "m2m": {"field": "tags", "action": "added", "ids": [a.pk]}},
        {"id": other.pk, "m2m": {"field": "tags", "action": "added", "ids": [a.pk]}},
        {"id": other.pk, "m2m": {"field": "tags", "action": "removed", "ids": [a.pk]}},
    ]
    assert [captured.event.key for captured in events] == [str(order.pk), str(other.pk), str(other.pk)]


def test_from_the_other_side_instances_are_loaded_only_if_needed(
    publisher: Configure, data: Data, order: Order, a: Tag, django_assert_num_queries: Any
) -> None:
    other = Order.objects.create(status="new")
    a.orders.add(order, other)
    a.orders.clear()
    # SAVEPOINT apart: SELECT of what is there, INSERT
    publisher(ACTIONS=["m2m_changed"])
    with django_assert_num_queries(2):
        a.orders.add(order, other)
    a.orders.clear()
    publisher(ACTIONS=["m2m_changed"], FIELDS=["status"])
    with django_assert_num_queries(3):
        a.orders.add(order, other)
    assert [each["status"] for each in data()[-2:]] == ["paid", "new"]


def test_clear_from_the_other_side(publisher: Configure, data: Data, order: Order, a: Tag) -> None:
    a.orders.add(order)
    publisher(ACTIONS=["m2m_changed"])
    a.orders.clear()
    assert data() == [{"id": order.pk, "m2m": {"field": "tags", "action": "cleared", "ids": [a.pk]}}]


def test_when_is_asked(publisher: Configure, data: Data, order: Order, a: Tag) -> None:
    other = Order.objects.create(status="new")
    publisher(ACTIONS=["m2m_changed"], WHEN="tests.publishers.examples.is_paid")
    other.tags.add(a)
    assert data() == []
    order.tags.add(a)
    assert len(data()) == 1
    a.orders.clear()
    assert [each["id"] for each in data()] == [order.pk, order.pk]


def test_a_payload_that_is_a_mapping_gets_the_change_added(
    publisher: Configure, data: Data, order: Order, a: Tag
) -> None:
    publisher(ACTIONS=["m2m_changed"], PAYLOAD="tests.publishers.examples.order_payload")
    order.tags.add(a)
    assert data()[0]["order"] == order.pk
    assert m2m(data()) == [("tags", "added", [a.pk])]


def test_another_payload_goes_as_it_is(publisher: Configure, data: Data, order: Order, a: Tag) -> None:
    publisher(ACTIONS=["m2m_changed"], PAYLOAD="tests.publishers.examples.list_payload")
    order.tags.add(a)
    assert data() == [["m2m_changed"]]


def test_a_childs_own_field_and_its_parents(publisher: Configure, data: Data, a: Tag) -> None:
    gift = GiftOrder.objects.create()
    publisher(ACTIONS=["m2m_changed"])
    gift.tags.add(a)
    gift.ribbons.add(a)
    a.gifts.clear()
    assert m2m(data()) == [
        ("tags", "added", [a.pk]),
        ("ribbons", "added", [a.pk]),
        ("ribbons", "cleared", [a.pk]),
    ]
    assert {each["id"] for each in data()} == {gift.pk}


def test_children_are_left_out_if_asked(publisher: Configure, data: Data, a: Tag) -> None:
    gift = GiftOrder.objects.create()
    publisher(ACTIONS=["m2m_changed"], INCLUDE_SUBCLASSES=False)
    gift.tags.add(a)
    gift.ribbons.add(a)
    assert data() == []


def test_a_publisher_on_the_child_hears_of_children_alone(
    publisher: Configure, data: Data, order: Order, a: Tag
) -> None:
    gift = GiftOrder.objects.create()
    publisher(MODEL="tests_app.GiftOrder", ACTIONS=["m2m_changed"])
    order.tags.add(a)
    assert data() == []
    # Through the tag, both come as Orders.
    a.orders.add(gift.order_ptr)
    a.orders.clear()
    assert [each["order_ptr"] for each in data()] == [gift.pk, gift.pk]
    assert [action for _, action, _ in m2m(data())] == ["added", "cleared"]
