"""Values as their columns hold them."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import models
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe

from django_redis_bus.core.exceptions import ConfigurationError
from django_redis_bus.publishers.relations import _ordered
from django_redis_bus.publishers.snapshot import Column, Reader, column, column_field
from tests.app.models import Order, Ticket


class Status(models.TextChoices):
    PAID = "paid"


class Level(models.IntegerChoices):
    HIGH = 3


class Money:
    """What a field class of somebody else's might hold."""


class MoneyField(models.DecimalField):  # type: ignore[type-arg]
    def to_python(self, value: Any) -> Any:
        return Money()


def named(field: Any) -> Column:
    field.set_attributes_from_name("value")
    return column(field)


@pytest.mark.parametrize(
    ("field", "assigned", "stored"),
    [
        (models.IntegerField(), "5", 5),
        (models.IntegerField(), Level.HIGH, 3),
        (models.CharField(), Status.PAID, "paid"),
        (models.CharField(), mark_safe("paid"), "paid"),
        (models.CharField(), lazystr("paid"), "paid"),
        (models.EmailField(), mark_safe("a@example.org"), "a@example.org"),
        (models.CharField(), 5, "5"),
        (models.DecimalField(max_digits=9, decimal_places=2), 5, Decimal(5)),
        (models.BooleanField(), "1", True),
        (models.UUIDField(), "12345678123456781234567812345678", UUID("12345678-1234-5678-1234-567812345678")),
        (models.DateField(), "2026-11-22", dt.date(2026, 11, 22)),
        (models.DateField(), dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC), dt.date(2026, 11, 22)),
        (models.DurationField(), "1 00:00:00", dt.timedelta(days=1)),
        (models.BinaryField(), memoryview(b"raw"), b"raw"),
        (models.JSONField(), {"a": [1]}, {"a": [1]}),
        (models.IntegerField(), "no number", "no number"),
    ],
)
def test_what_was_assigned_becomes_what_is_stored(field: Any, assigned: Any, stored: Any) -> None:
    value = named(field).clean(assigned)
    assert value == stored
    assert type(value) is type(stored)


def test_other_peoples_fields_are_left_alone() -> None:
    money = Money()
    field = MoneyField(max_digits=9, decimal_places=2)
    assert named(field).kind is None
    assert named(field).clean(money) is money


def test_a_foreign_key_is_read_as_what_it_points_to() -> None:
    assert column(column_field(Order, "customer")).kind is int
    assert column(column_field(Order, "customer_id")).attname == "customer_id"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("totl", "has no field 'totl'. Did you mean 'total'?"),
        ("tags", "tags is a many-to-many field"),
        ("lines", "lines is a reverse field"),
    ],
)
def test_what_is_no_column(name: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(says)) as raised:
        column_field(Order, name)
    assert "placed_at, invoice" in str(raised.value)


def test_nothing_is_missing_from_a_plain_instance() -> None:
    reader = Reader(Order, [column_field(Order, name) for name in ("id", "status", "invoice")])
    assert reader.missing(Order(pk=1)) == []
    assert reader.missing(Order(pk=1, status=models.F("id"))) == ["status"]
    assert reader.read(Order(pk=1), "default") == {"id": 1, "status": "new", "invoice": ""}


def test_ids_are_sorted_if_they_can_be() -> None:
    assert _ordered({3, 1, 2}) == [1, 2, 3]
    assert sorted(map(str, _ordered({1, "a"}))) == ["1", "a"]


def test_a_default_key_is_there_before_the_row() -> None:
    ticket = Ticket()
    assert Reader(Ticket, [column_field(Ticket, "pk")]).read(ticket, "default") == {"id": ticket.pk}
