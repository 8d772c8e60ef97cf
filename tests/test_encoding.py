"""Django's types as data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import models
from django.http import QueryDict
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy, override

from django_redis_bus import PayloadError, bus
from django_redis_bus.encoding import serializers
from django_redis_bus.testing import event_for
from tests.app.models import Order

Declare = Callable[..., Any]


class Status(models.TextChoices):
    PAID = "paid", "Paid"


@pytest.mark.parametrize("serializer", ["json", "msgpack"])
@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Decimal("9.90"), "9.90"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (lazystr("lazy"), "lazy"),
        ({lazystr("lazy"): 1}, {"lazy": 1}),
        (gettext_lazy("Yes"), "Yes"),
        (mark_safe("<b>"), "<b>"),
        (Status.PAID, "paid"),
        (QueryDict("a=1&a=2"), {"a": ["1", "2"]}),
        (Order(invoice="invoices/7.pdf").invoice, "invoices/7.pdf"),
        (Order().invoice, ""),
        (models.FileField().attr_class(None, Order._meta.get_field("invoice"), None), None),
        (Order(total=Decimal("1.50")).total, "1.50"),
    ],
)
def test_djangos_types(
    declare: Declare, bus_settings: Callable[..., None], serializer: str, value: Any, plain: Any
) -> None:
    bus_settings(SERIALIZER=serializer)
    assert event_for(declare(), {"value": [value]}).data == {"value": [plain]}


def test_a_lazy_text_is_in_the_language_of_the_moment(declare: Declare) -> None:
    said = gettext_lazy("Yes")
    with override("de"):
        assert event_for(declare(), said).data == "Ja"


def test_an_aware_datetime_is_rfc_3339(declare: Declare) -> None:
    assert event_for(declare(), dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC)).data == "2026-01-02T03:00:00Z"


@pytest.mark.parametrize(
    "value", [Order(), Order.objects.all(), Order.objects.values("id"), [Order()], {"order": Order()}]
)
def test_nothing_leaves_that_was_not_named(declare: Declare, value: Any) -> None:
    # Given a model instance or a queryset, which is also not evaluated: there is no database here
    with pytest.raises(PayloadError, match="name the fields that should leave"):
        declare().message(value)


@pytest.mark.parametrize("value", [object(), Order, Order.objects, lambda: 1, {1j}, {"a": {(1, 2): 3}}, "\ud800"])
def test_what_has_no_form_is_refused(declare: Declare, value: Any) -> None:
    with pytest.raises(PayloadError, match="Stream 'events:order': the data cannot be encoded"):
        declare().message(value)


def test_data_that_hold_themselves_are_refused(declare: Declare) -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(PayloadError, match="cannot be encoded"):
        bus.message(declare(), circle)


def test_a_refusal_does_not_quote_the_data(declare: Declare) -> None:
    with pytest.raises(PayloadError) as caught:
        declare().message({"password": "hunter2", "bad": object()})
    assert "hunter2" not in str(caught.value)


def test_both_serializers_are_there_by_name() -> None:
    assert {name: s.content_type for name, s in serializers().items()} == {
        "json": "application/json",
        "msgpack": "application/msgpack",
    }
