from __future__ import annotations

import datetime as dt
import enum
import zlib
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_redis_bus.core.serializers import Serializer, compress, decompress
from tests.core.examples import JSON, MSGPACK, Line, OrderModel

SERIALIZERS = [pytest.param(JSON, id="json"), pytest.param(MSGPACK, id="msgpack")]


class Text(str):
    pass


class Whole(int):
    pass


class Broken(float):
    pass


class Money(Decimal):
    pass


class FrozenClock(dt.datetime):
    pass


class Day(dt.date):
    pass


class Status(enum.Enum):
    PAID = "paid"


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Decimal("9.90"), "9.90"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.time(8, 30), "08:30:00"),
        (dt.timedelta(days=1, seconds=30), "P1DT30S"),
        (dt.datetime(2026, 1, 2, 3), "2026-01-02T03:00:00"),
        (Status.PAID, "paid"),
        (Line("a"), {"sku": "a", "count": 1}),
        (OrderModel(id=7), {"id": 7, "note": ""}),
        ((1, 2), [1, 2]),
        ({1}, [1]),
        (frozenset({1}), [1]),
        (Text("a"), "a"),
        ({Text("a"): Text("b")}, {"a": "b"}),
        (Whole(7), 7),
        (Broken(1.5), 1.5),
        (Money("1.10"), "1.10"),
        (FrozenClock(2026, 1, 2, 3), "2026-01-02T03:00:00"),
        (Day(2026, 1, 2), "2026-01-02"),
        (None, None),
    ],
)
def test_types_beyond_json(value: Any, plain: Any, serializer: Serializer) -> None:
    assert serializer.decoder(Any)(serializer.encode(value)) == plain
    assert serializer.decoder(Any)(serializer.encode({"x": [value]})) == {"x": [plain]}


def test_an_aware_datetime_is_rfc_3339_in_json_and_a_timestamp_in_msgpack() -> None:
    moment = FrozenClock(2026, 1, 2, 3, fold=1, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert JSON.encode(moment) == b'"2026-01-02T03:00:00+02:00"'
    assert MSGPACK.decoder(dt.datetime)(MSGPACK.encode(moment)) == moment


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize("value", [object(), Exception("x"), (i for i in ()), lambda: None, range(3), 1j])
def test_what_has_no_form_is_named(value: object, serializer: Serializer) -> None:
    with pytest.raises(TypeError, match=rf"{type(value).__name__} has no JSON form"):
        serializer.encode({"x": value})


@given(data=st.binary())
def test_what_is_compressed_is_inflated_again(data: bytes) -> None:
    assert decompress(compress(data), limit_bytes=len(data)) == data


@given(data=st.binary(min_size=1))
def test_one_byte_over_the_limit_is_too_much(data: bytes) -> None:
    with pytest.raises(OverflowError, match="inflates to more than"):
        decompress(compress(data), limit_bytes=len(data) - 1)


@given(data=st.binary())
def test_arbitrary_bytes_inflate_or_raise_what_is_documented(data: bytes) -> None:
    try:
        decompress(data, limit_bytes=1_000)
    except (ValueError, OverflowError):
        pass


@pytest.mark.parametrize("data", [b"", b"x", zlib.compress(b"a" * 99)[:-1], zlib.compress(b"a") + b"b"])
def test_what_is_not_one_whole_zlib_stream_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decompress(data, limit_bytes=1_000)
