"""Typed placeholders: one value has one name, and back."""

from __future__ import annotations

import enum
import uuid
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_redis_bus.core.exceptions import ConfigurationError, PayloadError
from django_redis_bus.core.parameters import Parameters
from django_redis_bus.core.patterns import Pattern


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Level(enum.IntEnum):
    LOW = 1


SLUG = Annotated[str, msgspec.Meta(pattern="^[a-z-]+$", max_length=10)]
ID = uuid.UUID("0b5e7f0e-7d5c-4f6e-9a4e-2d3c4b5a6978")


def of(kind: Any) -> Parameters:
    return Parameters(Pattern("room:{x}"), {"x": kind})


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (int, 7, "7"),
        (int, -7, "-7"),
        (int, "7", "7"),
        (int, 10**30, str(10**30)),
        (bool, True, "true"),
        (uuid.UUID, ID, str(ID)),
        (uuid.UUID, str(ID).upper(), str(ID)),
        (date, date(2026, 11, 23), "2026-11-23"),
        (Size, Size.LARGE, "l"),
        (Size, "l", "l"),
        (Level, Level.LOW, "1"),
        (SLUG, "lobby", "lobby"),
        (Literal["a", "b"], "b", "b"),
    ],
)
def test_a_value_becomes_one_text_and_comes_back_typed(kind: Any, value: object, text: str) -> None:
    parameters = of(kind)
    assert parameters.format({"x": value}) == f"room:{text}"
    found = parameters.parse(f"room:{text}")
    assert found is not None
    assert parameters.format(found) == f"room:{text}"
    assert type(found["x"]) is not str or kind in (SLUG, Literal["a", "b"])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (int, "007"),
        (int, "+7"),
        (int, "-0"),
        (int, "7.0"),
        (int, "１"),  # a digit, but none that int() should take here
        (int, "x"),
        (bool, "1"),
        (bool, "True"),
        (uuid.UUID, str(ID).upper()),
        (uuid.UUID, ID.hex),
        (Size, "SMALL"),
        (SLUG, "Lobby"),
        (SLUG, "much-too-long"),
        (Annotated[int, msgspec.Meta(ge=1)], "0"),
    ],
)
def test_another_spelling_is_no_name(kind: Any, text: str) -> None:
    assert of(kind).parse(f"room:{text}") is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, "x"),
        (int, "007"),
        (int, None),
        (int, 1.5),
        (int, [1]),
        (int, object()),
        (Annotated[int, msgspec.Meta(ge=1)], 0),
        (uuid.UUID, 7),
        (Size, "m"),
        (SLUG, "a b"),
        (SLUG, "a\n"),
        (SLUG, "*"),
        (str, "a:b"),
        (str, "a b"),
        (str, "lobby\n"),
        (str, "*"),
        (str, "[ab]"),
        (str, "{x}"),
        (str, "\ud800"),
        (str, ""),
    ],
)
def test_what_does_not_fit_is_refused_by_name(kind: Any, value: object) -> None:
    with pytest.raises(PayloadError, match="'x'") as caught:
        of(kind).format({"x": value})
    assert caught.value.path == "x"


def test_missing_and_unknown_parameters() -> None:
    with pytest.raises(PayloadError, match="takes the parameters: x; got: none"):
        of(int).format({})
    with pytest.raises(PayloadError, match="got: x, y"):
        of(int).format({"x": 1, "y": 2})


def test_a_name_of_another_topic_is_none() -> None:
    assert of(int).parse("rooms:7") is None
    assert of(int).parse("room:7:8") is None
    assert of(int).parse("room:7\n") is None


def test_without_types_all_is_text() -> None:
    parameters = Parameters(Pattern("a:{x}:{y.pk}"), {"y.pk": int})
    assert parameters.format({"x": 5, "y.pk": 6}) == "a:5:6"
    assert parameters.parse("a:5:6") == {"x": "5", "y.pk": 6}
    assert Parameters(Pattern("notifications"), {}).parse("notifications") == {}


@pytest.mark.parametrize(("kinds", "said"), [({"room": int}, "Did you mean 'x'|Known: 'x'"), ({"x": object()}, "'x'")])
def test_a_type_that_cannot_be_used_is_refused(kinds: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Parameters(Pattern("room:{x}"), kinds)


@given(st.text(max_size=20))
def test_whatever_is_parsed_is_written_the_same(text: str) -> None:
    for kind in (int, bool, uuid.UUID, Size, SLUG, str):
        found = of(kind).parse(f"room:{text}")
        if found is not None:
            assert of(kind).format(found) == f"room:{text}"
