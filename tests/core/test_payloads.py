from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from pydantic import BaseModel

from django_redis_bus.core.exceptions import ConfigurationError, PayloadError
from django_redis_bus.core.payloads import Payloads, error_path, one_path
from django_redis_bus.core.serializers import Serializer
from tests.core.examples import (
    JSON,
    MSGPACK,
    AliasModel,
    Basket,
    Envelope,
    Line,
    OrderData,
    OrderDict,
    OrderModel,
    OrderStruct,
)

SERIALIZERS = [pytest.param(JSON, id="json"), pytest.param(MSGPACK, id="msgpack")]


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (OrderData, OrderData(id=7, total=Decimal("9.90"), lines=[Line("a"), Line("b", 2)])),
        (OrderDict, OrderDict(id=7)),
        (OrderStruct, OrderStruct(id=7)),
        (OrderModel, OrderModel(id=7, note="é")),
        (AliasModel, AliasModel(orderId=7)),
        (Envelope, Envelope(orders=[OrderModel(id=7)])),
        (Basket, Basket(orders=[OrderModel(id=7)])),
        (dict[str, OrderModel], {"a": OrderModel(id=7)}),
        (list[Line], [Line("a")]),
        (Line | None, None),
        (dt.datetime, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
        (UUID, UUID(int=7)),
        (Decimal, Decimal("1.10")),
        (str, "text"),
    ],
)
def test_what_is_encoded_is_decoded_as_its_type(kind: Any, value: Any, serializer: Serializer) -> None:
    payloads = Payloads("events:order", kind, 1)
    encoded = serializer.encode(value)
    payloads.check_encoded("created", encoded, serializer)
    decoded = payloads.decoder("created", 1, serializer)(encoded)
    assert decoded == value
    assert type(decoded) is type(value)


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        (OrderData, {"id": "secret"}, "$.id"),
        (OrderData, {"id": 7, "lines": [{"sku": 5}]}, "$.lines[0].sku"),
        (OrderDict, {"id": "secret"}, "$.id"),
        (OrderStruct, {"id": "secret"}, "$.id"),
        (OrderModel, {"id": "secret"}, "$.id"),
        (AliasModel, {"orderId": "secret"}, "$.orderId"),
        (Basket, {"orders": [{"id": 1}, {"id": "secret"}]}, "$.orders[1].id"),
        (Envelope, {"orders": [{"id": 1}, {"id": "secret"}]}, "$.orders[1].id"),
        (OrderData, {}, "$"),
        (OrderData, [], "$"),
        (OrderData, None, "$"),
    ],
)
def test_data_that_do_not_fit_are_refused_with_the_path_and_without_the_value(
    kind: Any, value: Any, path: str, serializer: Serializer
) -> None:
    payloads = Payloads("events:order", kind, 1)
    with pytest.raises(PayloadError, match="Stream 'events:order'") as caught:
        payloads.check_encoded("created", serializer.encode(value), serializer)
    assert caught.value.path == path
    assert caught.value.topic == "events:order"
    assert "secret" not in str(caught.value)


def test_several_mistakes_in_a_pydantic_model_are_counted_in_one_line() -> None:
    payloads = Payloads("events:order", Basket, 1)
    with pytest.raises(PayloadError) as caught:
        payloads.check_encoded("created", b'{"orders":[{"id":"a"},{"id":"b"},{}]}', JSON)
    assert caught.value.path == "$.orders[0].id"
    assert "(and 2 more)" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_keys_that_are_data_are_not_shown() -> None:
    class Prices(BaseModel):
        by_customer: dict[str, int]

    payloads = Payloads("events:order", Prices, 1)
    with pytest.raises(PayloadError) as caught:
        payloads.check_encoded("created", b'{"by_customer":{"ada@example.com":"x"}}', JSON)
    assert "ada" not in str(caught.value)


def test_a_mapping_of_types_chooses_by_event_type() -> None:
    payloads = Payloads("events:order", {"created": OrderData, "deleted": OrderStruct}, 1)
    assert payloads.decoder("created", 1, JSON)(b'{"id":7}') == OrderData(id=7)
    assert payloads.decoder("deleted", 1, JSON)(b'{"id":7}') == OrderStruct(id=7)
    with pytest.raises(PayloadError, match="declares no event type 'moved'"):
        payloads.check_encoded("moved", b"{}", JSON)


def test_the_class_of_the_data_names_the_event_type_if_only_one_has_it() -> None:
    payloads = Payloads("events:order", {"created": OrderData, "deleted": OrderStruct, "paid": OrderStruct}, 1)
    assert payloads.type_of(OrderData(id=7)) == "created"
    assert payloads.type_of(OrderStruct(id=7)) is None
    assert payloads.type_of({"id": 7}) is None
    assert Payloads("events:order", OrderData, 1).type_of(OrderData(id=7)) is None


def test_without_a_payload_type_everything_passes() -> None:
    payloads = Payloads("events:order", None, 1)
    payloads.check_encoded("created", b"whatever: it is not even looked at", JSON)
    assert payloads.convert("created", {"id": "7"}) == {"id": "7"}


class Unknown:
    pass


class Stranger(msgspec.Struct):
    inner: list[Unknown]


class Tree(msgspec.Struct):
    children: list[Tree]


@pytest.mark.parametrize(
    "kind", [Unknown, Stranger, dict[str, Unknown], Unknown | None, list | dict | Line | OrderStruct]
)
def test_a_type_that_cannot_be_read_is_refused_when_it_is_declared(kind: Any) -> None:
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Payloads("events:order", kind, 1)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Payloads("events:order", {"created": kind}, 1)


def test_a_type_that_holds_itself_is_fine() -> None:
    payloads = Payloads("events:tree", Tree, 1)
    assert payloads.decoder("", 1, JSON)(b'{"children":[{"children":[]}]}') == Tree([Tree([])])


def test_names_that_cannot_be_resolved_are_refused_when_declared() -> None:
    class Lost(msgspec.Struct):
        other: Nowhere  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ConfigurationError, match="Nowhere"):
        Payloads("events:order", Lost, 1)


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ("Expected `int`, got `str` - at `$.id`", "$.id"),
        ("Object missing required field `id`", "$"),
        ("bad - at `$.a[0].b` - at `$.orders[...]`", "$.orders[...].a[0].b"),
    ],
)
def test_paths_in_messages(message: str, path: str) -> None:
    assert error_path(one_path(message)) == path


def test_a_validator_of_a_model_may_say_what_is_wrong(declare_positive: Callable[[], type]) -> None:
    payloads = Payloads("events:order", declare_positive(), 1)
    with pytest.raises(PayloadError, match="must be positive"):
        payloads.check_encoded("created", b'{"id":-1}', JSON)


@pytest.fixture
def declare_positive() -> Callable[[], type]:
    def declare() -> type:
        class Positive(msgspec.Struct):
            id: int

            def __post_init__(self) -> None:
                if self.id < 0:
                    raise ValueError("must be positive")

        return Positive

    return declare
