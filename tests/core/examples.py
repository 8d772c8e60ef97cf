"""Payload types of every kind, and entries as they stand on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypedDict

import msgspec
from pydantic import BaseModel, Field

from django_redis_bus.core.exceptions import UnreadableEntry
from django_redis_bus.core.payloads import Payloads
from django_redis_bus.core.reading import EntryReader
from django_redis_bus.core.serializers import json_serializer, msgpack_serializer, plain

JSON = json_serializer(plain)
MSGPACK = msgpack_serializer(plain)


@dataclass
class Line:
    sku: str
    count: int = 1


@dataclass
class OrderData:
    id: int
    total: Decimal = Decimal(0)
    lines: list[Line] = field(default_factory=list)


class OrderDict(TypedDict):
    id: int


class OrderStruct(msgspec.Struct):
    id: int


class OrderModel(BaseModel):
    id: int
    note: str = ""


class AliasModel(BaseModel):
    order_id: int = Field(alias="orderId")


@dataclass
class Envelope:
    """A pydantic model deep inside a dataclass."""

    orders: list[OrderModel]


class Basket(BaseModel):
    orders: list[OrderModel]


def entry(**fields: bytes | None) -> list[bytes]:
    """A whole CloudEvents entry, flat. Overrides by name, `__` for a hyphen; None leaves a field out."""
    whole: dict[str, bytes | None] = {
        "ce_specversion": b"1.0",
        "ce_id": b"e-1",
        "ce_source": b"shop",
        "ce_type": b"shop.order.created",
        "ce_time": b"2026-11-22T08:00:00.000000Z",
        "content-type": b"application/json",
        "data": b'{"id":7}',
    }
    whole |= {name.replace("__", "-"): value for name, value in fields.items()}
    return [part for name, value in whole.items() if value is not None for part in (name.encode(), value)]


def reader(payload: Any = None, *, version: int = 1, max_bytes: int = 1_048_576) -> EntryReader:
    return EntryReader("events:order", Payloads("events:order", payload, version), [JSON, MSGPACK], max_bytes=max_bytes)


def refusal(flat: list[bytes], by: EntryReader | None = None) -> UnreadableEntry:
    """The error that reading an entry raises: nothing but UnreadableEntry passes."""
    try:
        event = (by or reader()).read(b"1-1", flat)
    except UnreadableEntry as error:
        return error
    raise AssertionError(f"was read: {event!r:.300}")
