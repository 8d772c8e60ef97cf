"""Decimals: an event holds what the row holds."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, models

from django_redis_bus.publishers.decimals import rounding
from django_redis_bus.publishers.snapshot import column
from tests.app.models import Order

from .conftest import Configure

Data = Callable[[], list[Any]]


class PriceField(models.DecimalField):  # type: ignore[type-arg]
    """Somebody else's, which stores as Django's does."""


class CentsField(models.DecimalField):  # type: ignore[type-arg]
    """Somebody else's, which does not."""

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        return value * 100


class LoadedField(models.DecimalField):  # type: ignore[type-arg]
    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return value


def kept(value: Any, **options: Any) -> Any:
    """What a column with two decimal places keeps of `value`."""
    field = PriceField(**{"max_digits": 20, "decimal_places": 2} | options)
    field.set_attributes_from_name("value")
    clean, keep = column(field).clean, column(field).kept
    return keep(clean(value), "default") if keep else clean(value)


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have the default database say that it is another."""
    return lambda name: monkeypatch.setattr(connection, "vendor", name)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "assigned",
    ["1.239", "1.225", "1.235", "-1.225", "0.001", "-0.001", "-0", 9.9, 2.675, 3, "1E+3", "12345678.905",
     Decimal("1.2349999999999999"), Decimal("3.0000"), None],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("action", ["created", "updated"])
def test_an_event_holds_what_the_row_holds(publisher: Configure, data: Data, assigned: Any, action: str) -> None:
    # Given a publisher of a decimal
    order = Order.objects.create() if action == "updated" else Order()
    publisher(FIELDS=["total"], ACTIONS=[action])
    # When one is saved that has not the column's decimal places
    order.total = 7 if assigned is None else assigned
    order.save()
    # Then the event says what whoever loads the row will see, to the last digit
    assert data() == [{"total": str(Order.objects.get(pk=order.pk).total)}]


@pytest.mark.django_db
@pytest.mark.parametrize(("row", "assigned"), [("3.00", 3), ("1.24", "1.239"), ("9.90", 9.9), ("1.22", "1.225")])
def test_the_same_row_is_no_change(publisher: Configure, data: Data, row: str, assigned: Any) -> None:
    # Given a row
    order = Order.objects.create(total=Decimal(row))
    publisher(FIELDS=["total"], ONLY_IF_CHANGED=["total"])
    # When a value is saved that the column keeps as what it has
    order.total = assigned
    order.save()
    # Then nothing changed
    assert data() == []
    # And a cent more is a change
    order.total = Decimal(row) + Decimal("0.01")
    order.save()
    assert data() == [{"total": str(order.total)}]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("sqlite", "1.225", "1.22"),
        ("postgresql", "1.225", "1.23"),
        ("mysql", "-1.225", "-1.23"),
        ("oracle", "1.239", "1.24"),
        ("postgresql", "-0.001", "0.00"),
        # A binary float has some sixteen digits
        ("sqlite", "1.2349999999999999", "1.24"),
        ("postgresql", "1.2349999999999999", "1.23"),
    ],
)
def test_each_database_has_its_way_of_rounding(
    vendor: Callable[[str], None], name: str, value: str, expected: str
) -> None:
    vendor(name)
    assert str(kept(value)) == expected


def test_what_the_backend_makes_of_a_value_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a backend that formats decimals itself, as those of others may
    monkeypatch.setattr(connection.ops, "adapt_decimalfield_value", lambda value, digits, places: "1.5")
    assert str(kept("1.239")) == "1.50"


@pytest.mark.parametrize("value", ["123456789.12", "999999.999", "no number"])
def test_what_does_not_fit_stays_what_it_is(value: str) -> None:
    assert str(kept(value, max_digits=8)) == value


def test_places_left_open() -> None:
    assert rounding(PriceField()) is None
    assert str(kept("1.239", max_digits=None, decimal_places=None)) == "1.239"


@pytest.mark.parametrize("kind", [CentsField, LoadedField])
def test_fields_that_store_in_their_own_way_are_left_alone(kind: type[CentsField]) -> None:
    assert rounding(kind(max_digits=9, decimal_places=2)) is None


def test_fields_that_are_no_decimals() -> None:
    assert rounding(models.FloatField()) is None
