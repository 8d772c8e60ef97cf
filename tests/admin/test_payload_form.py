"""From what was filled in back to plain data."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NotRequired, TypedDict

import pytest
from django.utils import timezone

from django_redis_bus.admin.payload_form import PayloadForm
from django_redis_bus.operations.shapes import Shape, shape_of


@dataclass
class Everything:
    whole: int
    money: Decimal
    yes: bool
    size: Literal["S", 3]
    day: dt.date
    at: dt.datetime
    number: uuid.UUID
    lines: list[int]
    perhaps: int | None
    maybe: bool | None
    text: str = "here"
    other: str = ""
    none: str | None = "some"
    anew: list[int] = field(default_factory=list)


class Optional(TypedDict):
    text: NotRequired[str]
    yes: NotRequired[bool]


FILLED = {
    "whole": "7", "money": "9.90", "size": "0", "day": "2026-11-22", "at": "2026-11-22T08:00:00",
    "number": "12345678123456781234567812345678", "lines": "[1, 2]", "perhaps": "", "text": "a\r\nb",
}  # fmt: skip


def filled(kind: Any, **values: str) -> PayloadForm:
    shape = shape_of(kind)
    places = {each.name: f"payload-f{n}" for n, each in enumerate(shape.fields or ())}
    return PayloadForm(shape, {places[name]: value for name, value in values.items()})


def test_values_become_what_they_are() -> None:
    form = filled(Everything, **FILLED, yes="on", maybe="true", other="x", none="y", anew="[]")
    with timezone.override(dt.UTC):
        assert form.is_valid(), form.errors
    assert form.plain == {
        "whole": 7, "money": Decimal("9.90"), "yes": True, "size": form.shape.fields[3].choices[0],
        "day": dt.date(2026, 11, 22), "at": dt.datetime(2026, 11, 22, 8, tzinfo=dt.UTC),
        "number": uuid.UUID("12345678123456781234567812345678"), "lines": [1, 2], "perhaps": None, "maybe": True,
        "text": "a\nb", "other": "x", "none": "y", "anew": [],
    }  # fmt: skip


def test_what_is_left_empty_is_left_out_null_or_empty_as_the_type_says() -> None:
    form = filled(Everything, **FILLED | {"text": ""})
    assert form.is_valid(), form.errors
    plain = form.plain
    assert plain["yes"] is False
    assert (plain["perhaps"], plain["maybe"]) == (None, None)
    assert plain["text"] == ""  # something stood there, and was taken away
    assert plain["none"] is None
    assert "other" not in plain
    assert "anew" not in plain
    nothing = filled(Optional)
    assert nothing.is_valid()
    assert nothing.plain == {}


@pytest.mark.parametrize("name", ["whole", "money", "size", "day", "at", "number", "lines"])
def test_what_is_needed_is_asked_for(name: str) -> None:
    form = filled(Everything, **FILLED | {name: ""})
    assert not form.is_valid()
    assert len(form.errors) == 1


def test_defaults_are_filled_in() -> None:
    html = PayloadForm(shape_of(Everything)).as_p()
    assert 'value="here"' in html
    assert 'value="some"' in html


def test_a_hostile_name_of_a_field_is_escaped() -> None:
    kind = TypedDict("kind", {'"><script>alert(1)</script>': str})  # type: ignore[misc]
    html = PayloadForm(shape_of(kind)).as_p()
    assert "<script>" not in html


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "nan", "\ud800", '{"a": 1} x', "   "])
def test_what_is_no_json_is_refused(text: str) -> None:
    assert not PayloadForm(Shape(), {"payload-json": text}).is_valid()


@pytest.mark.parametrize("text", ["null", '""', "0", "[]", "false"])
def test_any_json_is_a_payload(text: str) -> None:
    form = PayloadForm(Shape(), {"payload-json": text})
    assert form.is_valid(), form.errors
    assert form.plain in (None, "", 0, [], False)
