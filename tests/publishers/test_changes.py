"""ONLY_IF_CHANGED."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError
from django.db.models import F
from django.db.models.signals import post_save, pre_save

from django_redis_bus import publishers
from django_redis_bus.publishers import changes
from django_redis_bus.publishers.models import ModelPublisher
from tests.app.models import GiftOrder, Order, Product, Ticket

from .conftest import Configure

pytestmark = pytest.mark.django_db

Data = Callable[[], list[Any]]


@pytest.fixture
def order() -> Order:
    return Order.objects.create(status="new", total=Decimal("9.90"))


@pytest.fixture
def on_status(publisher: Configure, order: Order) -> None:
    publisher(ONLY_IF_CHANGED=["status"], FIELDS=["status"])


def refuse(*args: Any, **kwargs: Any) -> Any:
    raise DatabaseError("refused")


@contextmanager
def receiver(signal: Any, function: Callable[..., None], sender: type = Order, first: bool = False) -> Iterator[None]:
    """Connect a receiver; `first`: before those of the publishers."""
    if first:
        publishers.disconnect()
    signal.connect(function, sender=sender, weak=False)
    if first:
        publishers.connect()
    try:
        yield
    finally:
        signal.disconnect(function, sender=sender)


@pytest.mark.usefixtures("on_status")
class TestOneTrackedField:
    def test_an_unchanged_save_is_silent(self, order: Order, types: Data) -> None:
        order.save()
        order.total = Decimal(5)
        order.save()
        assert types() == []

    def test_a_change_is_published_once(self, order: Order, data: Data) -> None:
        order.status = "paid"
        order.save()
        order.save()
        assert data() == [{"status": "paid"}]

    def test_it_is_the_row_that_changes_not_the_instance(self, order: Order, data: Data) -> None:
        # Given an instance that was loaded before another process changed the row
        stale = Order.objects.get(pk=order.pk)
        Order.objects.filter(pk=order.pk).update(status="paid")
        # When the stale instance is saved, it changes the row back
        stale.save()
        # Then this is a change
        assert data() == [{"status": "new"}]

    def test_created_and_deleted_always_pass(self, types: Data) -> None:
        Order.objects.create().delete()
        assert types() == ["created", "deleted"]

    def test_a_new_instance_with_a_key_of_its_own(self, order: Order, types: Data) -> None:
        Order(pk=order.pk + 1).save()
        Order(pk=order.pk, status="new").save()
        Order(pk=order.pk, status="paid").save()
        assert types() == ["created", "updated"]

    def test_one_query_more(self, order: Order, django_assert_num_queries: Any) -> None:
        order.status = "paid"
        with django_assert_num_queries(2):
            order.save()

    def test_no_query_for_other_update_fields(self, order: Order, types: Data, django_assert_num_queries: Any) -> None:
        order.status = "paid"
        with django_assert_num_queries(1):
            order.save(update_fields=["total"])
        assert types() == []

    def test_update_fields_with_the_tracked_one(self, order: Order, types: Data) -> None:
        order.status = "paid"
        order.save(update_fields=["status"])
        order.save(update_fields=["status"])
        assert types() == ["updated"]

    def test_no_query_for_an_insert(self, types: Data, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(1):
            Order.objects.create()

    def test_deferred_and_so_not_written(self, order: Order, types: Data) -> None:
        loaded = Order.objects.defer("status").get(pk=order.pk)
        loaded.total = Decimal(1)
        loaded.save()
        assert types() == []

    def test_an_expression(self, order: Order, data: Data) -> None:
        order.status = F("status")
        order.save()
        assert data() == []
        order.status = F("id")
        order.save()
        assert data() == [{"status": str(order.pk)}]

    def test_children_of_the_model(self, types: Data) -> None:
        gift = GiftOrder.objects.create()
        gift.message = "for you"
        gift.save()
        gift.status = "paid"
        gift.save()
        assert types() == ["created", "updated"]

    def test_fixtures(self, order: Order, types: Data, django_assert_num_queries: Any) -> None:
        order.status = "paid"
        with django_assert_num_queries(1):
            order.save_base(raw=True)
        assert types() == []

    def test_a_save_within_a_save(self, order: Order, data: Data) -> None:
        # Given a receiver, earlier than the publisher's, that saves the instance again
        def save_again(instance: Order, **kwargs: Any) -> None:
            if instance.total != 1:
                instance.total = Decimal(1)
                instance.save()

        with receiver(post_save, save_again, first=True):
            # When a change is saved
            order.status = "paid"
            order.save()
        # Then the inner save, which changed nothing that is tracked, is silent, and the outer one is not
        assert data() == [{"status": "paid"}]

    def test_a_failed_save_within_a_save(self, order: Order, data: Data) -> None:
        # Given a receiver, earlier than the publisher's, that tries to save the instance again and fails
        def save_in_vain(instance: Order, **kwargs: Any) -> None:
            instance.total, total = "no number", instance.total
            with pytest.raises(Exception, match="no number"):
                instance.save()
            instance.total = total

        with receiver(post_save, save_in_vain, first=True):
            # When a change is saved
            order.status = "paid"
            order.save()
        # Then it is compared with what its own pre_save saw
        assert data() == [{"status": "paid"}]

    def test_a_failed_save_leaves_nothing_behind(self, order: Order, data: Data) -> None:
        order.status = "paid"
        with receiver(pre_save, refuse), pytest.raises(DatabaseError):
            order.save()
        Order.objects.filter(pk=order.pk).update(status="paid")
        order.save()
        assert data() == []

    def test_a_row_that_goes_while_it_is_saved_is_created(self, order: Order, types: Data) -> None:
        # Given a row that is there in pre_save, and that somebody deletes before the UPDATE
        def delete(instance: Order, **kwargs: Any) -> None:
            Order.objects.filter(pk=instance.pk)._raw_delete("default")

        with receiver(pre_save, delete):
            order.save()
        assert types() == ["created"]

    def test_a_note_of_a_failed_save_is_not_that_of_the_next(
        self, order: Order, types: Data, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Given a save that failed after its row was noted, and another in a frame at the same address
        monkeypatch.setattr(changes, "_save_under_way", lambda: 1)
        with receiver(pre_save, refuse), pytest.raises(DatabaseError):
            order.save()
        # When the row cannot be noted this time
        monkeypatch.setattr(changes, "stored", refuse)
        order.save()
        # Then nobody knows whether it changed, and it is published
        assert types() == ["updated"]

    def test_notes_do_not_outlive_the_save(self, order: Order) -> None:
        order.save()
        [publisher] = [p for p in publishers._connected if isinstance(p, ModelPublisher)]
        saves = [r.__self__ for key, r, *_ in post_save.receivers if "publishers:default:p" in str(key)]
        assert all(len(each._changes._notes) == 0 for each in saves)
        assert saves
        assert publisher.model is Order


def test_values_are_compared_as_stored(publisher: Configure, order: Order, types: Data) -> None:
    publisher(ONLY_IF_CHANGED=["total", "placed_at", "invoice", "extra", "customer"])
    order.total = "9.900"
    order.invoice = None
    order.save()
    assert types() == []


def test_any_of_several(publisher: Configure, order: Order, types: Data) -> None:
    publisher(ONLY_IF_CHANGED=["status", "total"])
    order.status = "paid"  # not saved
    order.save(update_fields=["total"])
    assert types() == []
    order.total = 1
    order.save()
    assert types() == ["updated"]


def test_no_query_for_a_new_key_that_python_makes(
    publisher: Configure, types: Data, django_assert_num_queries: Any
) -> None:
    publisher(MODEL="tests_app.Ticket", ONLY_IF_CHANGED=["title"])
    with django_assert_num_queries(1):
        ticket = Ticket.objects.create(title="a")
    ticket.save()
    ticket.title = "b"
    ticket.save()
    assert types() == ["created", "updated"]


def test_a_generated_column(publisher: Configure, types: Data) -> None:
    product = Product.objects.create(sku="a", stock=5)
    publisher(MODEL="tests_app.Product", ONLY_IF_CHANGED=["available"])
    product.stock, product.reserved = 6, 1
    product.save()
    assert types() == []
    product.stock = 7
    product.save(update_fields=["stock"])
    assert types() == ["updated"]
