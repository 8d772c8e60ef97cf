"""Places in the data that must not be shown, and texts that quote what stands there."""

from __future__ import annotations

import datetime as dt
import enum
import json
import re
import uuid
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypedDict
from urllib.parse import urlencode

import msgspec
import pytest
from pydantic import BaseModel, ConfigDict, Field

from django_redis_bus.core.exceptions import ConfigurationError
from django_redis_bus.core.redaction import REDACTED, Redaction, Scrubber, parse_path, redact, scrub

# --- paths


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("email", ("email",)),
        ("card.number", ("card", "number")),
        ("lines[].price", ("lines", "*", "price")),
        ("lines.*.price", ("lines", "*", "price")),
        ("[].price", ("*", "price")),
        ("*", ("*",)),
        ("a[][].b", ("a", "*", "*", "b")),
        ("first name", ("first name",)),
    ],
)
def test_what_a_path_is(text: str, steps: tuple[str, ...]) -> None:
    assert parse_path(text) == steps


@pytest.mark.parametrize("text", ["", ".", "a..b", "a.", ".a.", "lines[0].price", "a[", "$.email", "$", "a*"])
def test_what_no_path_is(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is no path in the data\. Write names with dots"):
        parse_path(text)


# --- plain data


DATA = {
    "id": 7,
    "email": "ann@example.com",
    "card": {"number": "4111 1111", "kind": "visa"},
    "lines": [{"sku": "a", "price": "10.00"}, {"sku": "b", "price": None}],
    "user.pk": 3,
}


@pytest.mark.parametrize(
    ("paths", "changed"),
    [
        ([], {}),
        (["email"], {"email": REDACTED}),
        (["card.number"], {"card": {"number": REDACTED, "kind": "visa"}}),
        (["card"], {"card": REDACTED}),
        (["card", "card.number"], {"card": REDACTED}),
        (["card.*"], {"card": {"number": REDACTED, "kind": REDACTED}}),
        (["card[]"], {"card": {"number": REDACTED, "kind": REDACTED}}),
        (["lines[].price"], {"lines": [{"sku": "a", "price": REDACTED}, {"sku": "b", "price": REDACTED}]}),
        (["lines.*.price"], {"lines": [{"sku": "a", "price": REDACTED}, {"sku": "b", "price": REDACTED}]}),
        (["lines.price"], {"lines": [{"sku": "a", "price": REDACTED}, {"sku": "b", "price": REDACTED}]}),
        (["lines[]"], {"lines": [REDACTED, REDACTED]}),
        (["*.number"], {"card": {"number": REDACTED, "kind": "visa"}}),
        (["user.pk"], {"user.pk": REDACTED}),
        (["nothing", "email.nothing", "lines[].nothing.more", "id[]"], {}),
    ],
    ids=str,
)
def test_plain_data(paths: list[str], changed: dict[str, Any]) -> None:
    assert redact(DATA, paths) == DATA | changed


def test_the_data_stays_as_it_is() -> None:
    data = {"a": {"b": [1, 2]}}
    copy = redact(data, ["a.b"])
    copy["a"]["c"] = 1
    assert data == {"a": {"b": [1, 2]}}


@pytest.mark.parametrize("data", [None, 7, "text", b"\xff"])
def test_data_without_parts(data: object) -> None:
    assert redact(data, ["email"]) == ("/w==" if data == b"\xff" else data)


def test_a_list_at_the_top() -> None:
    assert redact([{"email": "a"}, {"id": 1}], ["[].email"]) == [{"email": REDACTED}, {"id": 1}]


# --- typed data


class Card(msgspec.Struct, rename="camel", tag="card"):
    card_number: str
    kind: str = "visa"


class Pair(msgspec.Struct, array_like=True):
    email: str
    id: int


class Address(BaseModel):
    model_config = ConfigDict(populate_by_name=True, extra="allow")
    zip_code: str = Field(alias="zipCode")
    town: str = "Ulm"


@dataclass
class Person:
    email: str
    born: dt.date = dt.date(2001, 2, 3)
    address: Address | None = None
    cards: list[Card] = field(default_factory=list)


class Login(TypedDict):
    email: str
    ip: str


Point = namedtuple("Point", "x y")  # noqa: PYI024


def person() -> Person:
    return Person("a@b", address=Address(zipCode="89073", house=5), cards=[Card("4111"), Card("42")])


@pytest.mark.parametrize(
    ("paths", "changed"),
    [
        (["born"], {"born": REDACTED}),
        (["address"], {"address": REDACTED}),
        (["address.zipCode"], {"address": {"zipCode": REDACTED, "town": "Ulm", "house": 5}}),
        (["address.zip_code", "address.house"], {"address": {"zipCode": REDACTED, "town": "Ulm", "house": REDACTED}}),
        (["cards[].cardNumber"], {"cards": [{"type": "card", "cardNumber": REDACTED, "kind": "visa"}] * 2}),
        (["cards[].card_number"], {"cards": [{"type": "card", "cardNumber": REDACTED, "kind": "visa"}] * 2}),
    ],
    ids=str,
)
def test_types_within_types(paths: list[str], changed: dict[str, Any]) -> None:
    plain = {
        "email": "a@b",
        "born": "2001-02-03",
        "address": {"zipCode": "89073", "town": "Ulm", "house": 5},
        "cards": [
            {"type": "card", "cardNumber": "4111", "kind": "visa"},
            {"type": "card", "cardNumber": "42", "kind": "visa"},
        ],
    }
    assert redact(person(), []) == plain
    assert redact(person(), paths) == plain | changed


@pytest.mark.parametrize(
    ("data", "path", "plain"),
    [
        (Login(email="a@b", ip="::1"), "email", {"email": REDACTED, "ip": "::1"}),
        (Pair("a@b", 1), "email", {"email": REDACTED, "id": 1}),
        (Point(1, 2), "x", {"x": REDACTED, "y": 2}),
        ({"at": (1, 2), "of": {3}}, "at[]", {"at": [REDACTED] * 2, "of": [3]}),
        ({"total": Decimal("1.50"), "x": 1}, "x", {"total": "1.50", "x": REDACTED}),
    ],
    ids=str,
)
def test_other_types(data: Any, path: str, plain: Any) -> None:
    assert redact(data, [path]) == plain


def test_what_has_no_plain_form_is_named() -> None:
    assert redact({"a": object(), "email": "x"}, ["email"]) == {"a": "<object>", "email": REDACTED}


# --- texts


class Kind(enum.Enum):
    VISA = "visa card"


def raised(*arguments: object) -> str:
    return repr(ValueError(*arguments))


SECRETS: list[Any] = [
    "ann@example.com", "4111 1111", "O'Brien", 'say "hi"', "It's \"x\"", "a\\b", "tab\tstop", "Zoë", "naïve ☃",
    "\U0001fae8 x", "Jürgen\u2028Müller", "  spaced  ", "a&b=c d", "x" * 500, 12345, 12.75, Decimal("99.90"), b"s3cret",
    b"\xff\xfe\x00", dt.date(2001, 2, 3), dt.datetime(2001, 2, 3, 4, 5, tzinfo=dt.UTC), dt.time(4, 5, 6),
    dt.timedelta(days=3), uuid.UUID(int=7), Kind.VISA,
]  # fmt: skip

QUOTED: list[Callable[[Any], str]] = [
    str,
    repr,
    lambda v: f"Key (x)=({v}) already exists",
    lambda v: raised(v),
    lambda v: raised(f"""it's "{v}" here"""),
    lambda v: raised({"x": v}),
    lambda v: str(KeyError(v)),
    lambda v: ascii(str(v)),
    lambda v: json.dumps({"x": str(v)}),
    lambda v: json.dumps({"x": str(v)}, ensure_ascii=False),
    lambda v: urlencode({"x": str(v)}),
    lambda v: str(v).upper(),
    lambda v: str(v).strip(),
]


@pytest.mark.parametrize("quoted", QUOTED)
@pytest.mark.parametrize("secret", SECRETS, ids=repr)
def test_a_text_that_quotes_a_value(secret: Any, quoted: Callable[[Any], str]) -> None:
    said = scrub(f"before {quoted(secret)} after", [secret])
    assert REDACTED in said
    assert said.startswith("before ")
    assert said.endswith(" after")
    rest = said.replace(REDACTED, "").lower()
    core = secret.decode("latin1") if isinstance(secret, bytes) else str(getattr(secret, "value", secret))
    assert core.strip().lower() not in rest
    assert not any(word in rest for word in re.findall(r"\w{3,}", core.lower()))


def test_lines_of_a_text_are_known_each() -> None:
    said = scrub("  | first line\n  |   second line\n", ["first line\nsecond line"])
    assert said == f"  | {REDACTED}\n  |   {REDACTED}\n"


def test_the_longest_goes_first() -> None:
    assert scrub("annabel and ann", ["ann", "annabel"]) == f"{REDACTED} and {REDACTED}"


def test_containers_stand_for_what_is_in_them() -> None:
    said = scrub("alpha beta gamma 4111 delta", [{"a": ["alpha", {"b": "beta"}]}, Card("4111", "gamma"), ("delta",)])
    assert said == " ".join([REDACTED] * 5)


def test_what_is_too_short_or_says_nothing_is_left() -> None:
    assert (
        scrub("ab True None False 7 12", ["ab", "a", "", True, False, None, 7, 12, [], {}]) == "ab True None False 7 12"
    )


def test_what_was_put_in_is_not_looked_through_again() -> None:
    assert scrub("secret", ["secret", "red", "act"]) == REDACTED


def test_signs_of_patterns_are_signs() -> None:
    assert scrub("a.c abc (x|y) \\1", ["a.c", "(x|y)"]) == f"{REDACTED} abc {REDACTED} \\1"


def test_many_values_and_a_long_text_are_quick() -> None:
    # Given a batch's values, of which one is quoted, and the same text once per event
    clean = Scrubber(f"value-{number}" for number in range(5_000))
    text = "frame " * 1_500 + "value-4999"
    for _ in range(1_000):
        assert clean(text).endswith(REDACTED)


# --- of one stream


def test_values_of_the_entry_and_of_the_event_are_hidden() -> None:
    redaction = Redaction(["email", "born"], json.loads)
    # Given a handler that changed the data, and a type that shows a value otherwise than the entry
    clean = redaction.scrubber([(b'{"email": "ann@example.com", "born": "2001-02-03"}', {"born": dt.date(2001, 2, 3)})])
    assert clean("ann@example.com datetime.date(2001, 2, 3) 2001-02-03 x") == " ".join([REDACTED] * 3) + " x"


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("data", [{"email": Hostile()}, {"email": "x", "deep": json.loads("[" * 500 + "]" * 500)}])
def test_where_values_cannot_be_had_nothing_is_shown(data: Any) -> None:
    if "deep" in data:
        for _ in range(5_000):
            data["deep"] = [data["deep"]]
    clean = Redaction(["email", "deep"], lambda fields: None).scrubber([(b"", data)])
    assert clean("ValueError: whatever") == REDACTED
