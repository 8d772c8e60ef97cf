"""Entries that no bus wrote arrive as events, whatever they hold."""

from __future__ import annotations

from typing import Any

import pytest

from django_redis_bus.core.policy import Reason
from tests.core.examples import OrderData, OrderModel, reader, refusal


def test_flat_fields_are_the_data_and_their_type_is_the_type() -> None:
    # Given what `XADD events:order * type created id 7` adds
    event = reader().read(b"1700000000000-0", [b"type", b"created", b"id", b"7"])
    # Then it is an event
    assert event.foreign
    assert event.data == {"type": "created", "id": "7"}
    assert (event.type, event.source, event.topic) == ("created", "", "events:order")
    assert event.id == event.entry_id == "1700000000000-0"
    assert (event.time, event.version, event.extensions) == (None, 1, {})


@pytest.mark.parametrize(
    ("name", "body", "data"),
    [
        (b"data", b'{"id":7}', {"id": 7}),
        (b"payload", b"[1,2]", [1, 2]),
        (b"message", b"hello there", "hello there"),
        (b"Value", b"7", 7),
        (b"body", b"{broken", "{broken"),
        (b"json", b"\xff\xfe", b"\xff\xfe"),
        (b"json", b'"\xff"', b'"\xff"'),
        (b"event", b"", ""),
        (b"event", b"[" * 5_000, "[" * 5_000),
    ],
)
def test_a_single_body_is_json_or_text_or_bytes(name: bytes, body: bytes, data: Any) -> None:
    event = reader().read(b"1-1", [name, body])
    assert event.foreign
    assert event.data == data


def test_a_single_field_of_another_name_is_a_field() -> None:
    assert reader().read(b"1-1", [b"id", b"7"]).data == {"id": "7"}


def test_bytes_that_are_no_text_stay_bytes() -> None:
    assert reader().read(b"1-1", [b"\xff", b"\xfe", b"a", b"b"]).data == {"b'\\xff'": b"\xfe", "a": "b"}


@pytest.mark.parametrize("payload", [OrderData, OrderModel])
def test_texts_become_the_payload_type(payload: type) -> None:
    event = reader(payload).read(b"1-1", [b"id", b"7", b"type", b"created"])
    assert type(event.data) is payload
    assert event.data.id == 7


def test_its_type_chooses_the_payload_type() -> None:
    by = reader({"created": OrderData, "deleted": int})
    assert by.read(b"1-1", [b"id", b"7", b"type", b"created"]).data == OrderData(id=7)
    assert refusal([b"id", b"7", b"type", b"moved"], by).reason == Reason.UNKNOWN_TYPE
    assert refusal([b"id", b"7"], by).reason == Reason.UNKNOWN_TYPE


def test_the_type_may_stand_in_a_json_body() -> None:
    assert reader().read(b"1-1", [b"data", b'{"type":"created"}']).type == "created"


@pytest.mark.parametrize("said", [b"a\nb", b"\x00", b"\x1b[2J", b"\xff"])
def test_a_type_that_would_harm_a_log_is_none(said: bytes) -> None:
    assert reader().read(b"1-1", [b"type", said, b"id", b"7"]).type == ""


@pytest.mark.parametrize("body", [b'{"type":7}', b'{"type":null}', b'["type"]', b'"type"'])
def test_a_type_that_is_no_text_is_none(body: bytes) -> None:
    assert reader().read(b"1-1", [b"data", body]).type == ""


def test_fields_that_do_not_fit_the_payload_type_are_invalid() -> None:
    assert refusal([b"id", b"seven", b"a", b"b"], reader(OrderData)).reason == Reason.INVALID_PAYLOAD
    assert refusal([b"data", b"[" * 5_000], reader(OrderData)).reason == Reason.INVALID_PAYLOAD


def test_names_and_values_count_for_the_limit() -> None:
    limited = reader(max_bytes=10)
    assert refusal([b"id", b"x" * 9], limited).reason == Reason.TOO_LARGE
    assert refusal([b"x" * 9, b"id"], limited).reason == Reason.TOO_LARGE
    assert limited.read(b"1-1", [b"id", b"x" * 8]).data == {"id": "x" * 8}
