"""One test for each check of REDACT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict

import msgspec
import pytest
from django.core.checks import CheckMessage
from pydantic import BaseModel, Field

from django_redis_bus import ConfigurationError, Stream, conf
from django_redis_bus.checks import check_bus
from django_redis_bus.checks.redaction import check_redaction
from django_redis_bus.consuming import redacted

Declare = Callable[..., Stream[Any]]


class Card(msgspec.Struct, rename="camel"):
    card_number: str
    kind: str = ""


class Town(BaseModel):
    zip_code: str = Field(alias="zipCode")
    notes: dict[str, str] = {}
    anything: object = None


class Point(NamedTuple):
    lat: float
    lon: float


@dataclass
class Order:
    email: str
    card: Card | None = None
    lines: list[Card] = field(default_factory=list)
    town: Town | None = None
    at: Point | None = None
    pair: tuple[Card, int] | None = None
    extra: dict[str, Card] = field(default_factory=dict)
    free: Any = None
    next: Order | None = None


class Login(TypedDict):
    ip: str


def found() -> list[CheckMessage]:
    messages = check_redaction(conf.configs())
    assert check_bus() == messages
    return messages


@pytest.mark.parametrize(
    "path",
    [
        "email", "card", "card.cardNumber", "card.card_number", "card.*", "lines[].cardNumber", "lines.cardNumber",
        "lines[]", "town.zipCode", "town.zip_code", "town.notes.x", "town.anything.x.y", "at.lat", "pair[].kind",
        "extra.anything.kind", "extra.*.kind", "free.whatever[].x", "next.next.email", "*.kind", "*.zipCode",
    ],
)  # fmt: skip
def test_paths_that_a_type_has(declare: Declare, path: str) -> None:
    declare(payload=Order, redact=[path])
    assert found() == []


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("emial", "Did you mean 'email'?"),
        ("card.cardNumbr", "Did you mean 'cardNumber'?"),
        ("lines[].knid", "Did you mean 'kind'?"),
        ("extra.x.knid", "Did you mean 'kind'?"),
        ("town.zipcode", "Did you mean 'zip_code'?"),
        ("at.lot", "Did you mean 'lon'?"),
        ("pair[].knid", "Did you mean 'kind'?"),
        ("next.emial", "Did you mean 'email'?"),
        ("password", "Known: 'at', 'card', 'email', 'extra', 'free', 'lines', 'next', 'pair', 'town'."),
        ("email.domain", "There are no fields so far down."),
    ],
)
def test_w011(declare: Declare, path: str, hint: str) -> None:
    declare(payload=Order, redact=["email", path])
    [message] = found()
    assert message.id == "bus.W011"
    assert not message.is_serious()
    assert message.msg == f"Stream('events:order'): {path!r} hides nothing: Order has no such field."
    assert message.hint == hint


def test_w011_of_settings_names_the_place(declare: Declare, bus_settings: Callable[..., None]) -> None:
    bus_settings(STREAMS={"events:order": {"REDACT": ["emial"]}})
    declare(payload=Order)
    [message] = found()
    assert message.msg.startswith("REDIS_BUS['default']['STREAMS']['events:order']['REDACT']: 'emial' hides nothing")


def test_one_of_several_types_is_enough(declare: Declare) -> None:
    declare(payload={"order": Order, "login": Login, "free": None}, redact=["anything"])
    declare("events:two", payload={"order": Order, "login": Login}, redact=["ip", "email", "ipp"])
    [message] = found()
    assert "'ipp' hides nothing: Order or Login has no such field" in message.msg
    assert message.hint == "Did you mean 'ip'?"


def test_nothing_is_known_of_untyped_data_and_of_older_versions(declare: Declare) -> None:
    declare(redact=["whatever"])
    declare("events:two", payload=Order, version=2, redact=["mail"]).upcaster(from_version=1)(lambda data: data)
    assert found() == []


@pytest.mark.parametrize("path", ["lines[0].price", "a..b", "$.email"])
def test_e019(bus_settings: Callable[..., None], path: str) -> None:
    bus_settings(STREAMS={"events:order": {"REDACT": [path]}})
    [message] = found()
    assert message.id == "bus.E019"
    assert message.is_serious()
    assert message.msg.startswith(
        f"REDIS_BUS['default']['STREAMS']['events:order']['REDACT']: {path!r} is no path in the data."
    )


@pytest.mark.parametrize("redact", ["email", ["lines[0]"], [""]])
def test_in_code_it_is_refused_at_once(redact: Any) -> None:
    with pytest.raises(ConfigurationError, match="Stream 'events:never': redact"):
        Stream("events:never", redact=redact)


@pytest.mark.parametrize(
    ("in_code", "in_settings", "paths"),
    [
        ([], None, ()),
        (["a"], None, ("a",)),
        (["a"], {}, ("a",)),
        (["a"], {"REDACT": ["b", "c"]}, ("b", "c")),
        ([], {"REDACT": ["b"]}, ("b",)),
    ],
)
def test_settings_win_over_code(
    declare: Declare, bus_settings: Callable[..., None], in_code: Any, in_settings: Any, paths: tuple[str, ...]
) -> None:
    bus_settings(STREAMS={} if in_settings is None else {"events:order": in_settings})
    orders = declare(redact=in_code)
    assert redacted(orders.bus, orders) == paths
