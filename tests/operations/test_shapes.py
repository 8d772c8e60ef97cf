"""What a payload type asks for, whatever kind of type it is."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
import pytest
from msgspec import Meta

from django_redis_bus.operations.shapes import MOST_FIELDS, Field, Shape, shape_of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Everything:
    whole: int
    part: float
    money: Decimal
    yes: bool
    name: Annotated[str, Meta(min_length=2, max_length=9, description="Of the customer")]
    colour: Colour
    size: Literal["S", "L", 3]
    day: dt.date
    at: dt.datetime
    number: uuid.UUID
    lines: list[int]
    perhaps: int | None
    naive: Annotated[dt.datetime, Meta(tz=False)]
    default: Colour = Colour.BLUE
    anew: list[int] = field(default_factory=list)
    least: Annotated[int, Meta(ge=1, le=5)] = 3


def kinds(shape: Shape) -> dict[str, str]:
    return {each.name: each.kind for each in shape.fields or ()}


def test_each_type_has_its_kind() -> None:
    shape = shape_of(Everything)
    assert shape.name == "Everything"
    assert kinds(shape) == {
        "whole": "int", "part": "float", "money": "decimal", "yes": "bool", "name": "text", "colour": "choice",
        "size": "choice", "day": "date", "at": "datetime", "number": "uuid", "lines": "json", "perhaps": "int",
        "naive": "json", "default": "choice", "anew": "json", "least": "int",
    }  # fmt: skip


def test_what_is_known_of_a_field() -> None:
    found = {each.name: each for each in shape_of(Everything).fields or ()}
    assert found["name"] == Field(name="name", kind="text", least=2, most=9, help="Of the customer")
    assert found["colour"].choices == ("red", "blue")
    assert set(found["size"].choices) == {"S", "L", 3}
    assert (found["perhaps"].required, found["perhaps"].nullable) == (True, True)
    assert (found["default"].required, found["default"].default) == (False, "blue")
    assert (found["anew"].required, found["anew"].default) == (False, None)
    assert (found["least"].least, found["least"].most, found["least"].default) == (1, 5, 3)


def test_a_typed_dict_and_a_struct_under_its_names_on_the_wire() -> None:
    class Said(TypedDict):
        text: str
        key: NotRequired[str]

    class Row(msgspec.Struct, rename="camel"):
        order_id: int

    said = shape_of(Said)
    assert {(each.name, each.required) for each in said.fields or ()} == {("text", True), ("key", False)}
    assert kinds(shape_of(Row)) == {"orderId": "int"}


def test_a_pydantic_model_under_its_aliases() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Model(pydantic.BaseModel):
        order: int = pydantic.Field(alias="order_id", description="Which")
        when: pydantic.AwareDatetime
        note: str | None = None
        tags: list[str] = pydantic.Field(default_factory=list)

    number, when, note, tags = shape_of(Model).fields or ()
    assert number == Field(name="order_id", kind="int", help="Which")
    assert when.required
    assert (note.required, note.nullable, note.kind) == (False, True, "text")
    assert (tags.kind, tags.required) == ("json", False)


class Tagged(msgspec.Struct, tag=True):
    a: int


class Array(msgspec.Struct, array_like=True):
    a: int


@pytest.mark.parametrize("kind", [list[int], dict[str, int], int, int | str, Tagged, Array])
def test_what_has_no_fields_to_fill_in_is_json(kind: Any) -> None:
    assert shape_of(kind).fields is None


def test_any_values_have_no_name() -> None:
    assert shape_of(Any) == Shape()


def test_a_type_that_holds_itself_ends() -> None:
    assert kinds(shape_of(Tree)) == {"name": "text", "below": "json"}


@dataclass
class Tree:
    name: str
    below: list[Tree]


def test_a_type_of_too_many_fields_is_json() -> None:
    many = msgspec.defstruct("Many", [(f"f{n}", int) for n in range(MOST_FIELDS + 1)])
    assert shape_of(many).fields is None
    assert shape_of(many).name == "Many"
