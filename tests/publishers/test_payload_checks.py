"""bus.E121: data that cannot be what the stream says it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NotRequired, TypedDict

import msgspec
import pytest
from django.core.checks import CheckMessage

from django_redis_bus.checks.publishers import check_publishers
from django_redis_bus.conf import configs

Check = Callable[..., list[CheckMessage]]


@dataclass
class AsDataclass:
    id: int
    total: Decimal | None
    note: str = ""
    tags: list[str] = field(default_factory=list)


class AsTypedDict(TypedDict):
    id: int
    total: Decimal
    note: NotRequired[str]


class AsStruct(msgspec.Struct):
    id: int
    amount: Decimal = msgspec.field(name="total")
    note: str = ""


class AsArray(msgspec.Struct, array_like=True):
    id: int
    total: Decimal


class AsModel:
    """What a pydantic model looks like."""

    @classmethod
    def model_validate(cls, value: Any) -> AsModel:
        return cls()


@dataclass
class Gone:
    id: int


@dataclass
class Relation:
    id: int
    m2m: dict[str, Any]


@dataclass
class Elsewhere:
    id: int
    margin: Decimal


KINDS = [AsDataclass, AsTypedDict, AsStruct]


@pytest.fixture
def check(bus_settings: Any, declare: Callable[..., Any]) -> Check:
    """What is said of one publisher of Order to a stream whose payload type is `payload`."""

    def run(payload: Any, name: str = "events:order", **entry: Any) -> list[CheckMessage]:
        bus_settings(PUBLISHERS={"p": {"MODEL": "tests_app.Order", "TOPIC": "events:order"} | entry})
        declare(name, payload=payload)
        return check_publishers(configs())

    return run


def only(messages: list[CheckMessage]) -> CheckMessage:
    [message] = messages
    assert message.id == "bus.E121"
    assert message.msg.startswith("REDIS_BUS['default']['PUBLISHERS']['p'] ")
    return message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("entry", [{"FIELDS": ["id", "status"]}, {"EXCLUDE": ["total"]}, {}], ids=str)
def test_e121(check: Check, kind: type, entry: dict[str, Any]) -> None:
    # Given a payload type that requires id and total
    # When FIELDS and EXCLUDE leave out the total
    message = only(check(kind, **entry))
    # Then this is said once, not per action
    assert f"without what {kind.__name__}, its payload type in stream 'events:order', requires: total." in message.msg
    assert message.hint == "Add them to FIELDS, or build the data in a PAYLOAD function."


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("entry", [{"FIELDS": ["id", "total"]}, {"FIELDS": "__all__"}, {"EXCLUDE": ["extra"]}], ids=str)
def test_data_that_has_what_is_required(check: Check, kind: type, entry: dict[str, Any]) -> None:
    assert check(kind, **entry) == []


def test_e121_goes_by_the_name_in_the_data(check: Check) -> None:
    assert "requires: id." in only(check(Gone, FIELDS=["pk"])).msg


def test_e121_of_what_is_no_column(check: Check) -> None:
    hint = only(check(Elsewhere)).hint or ""
    assert "in a PAYLOAD function" in hint
    assert "default: margin. tests_app.Order has no such columns." in hint


@pytest.mark.parametrize(("key", "type"), [("tests_app.order.created", None), ("o.created", "o.{action}"), ("o", "o")])
def test_e121_of_one_type_in_a_mapping(check: Check, key: str, type: str | None) -> None:
    # Given a stream with a type per event, two of which this publisher sends
    payload = {key: AsDataclass, "tests_app.order.deleted": Gone, "o.updated": None}
    # Then only the one that the data does not fit is named
    message = only(check(payload, **({"TYPE": type} if type else {})))
    assert f"sends {key!r} without what AsDataclass" in message.msg


def test_e121_at_a_stream_with_placeholders(check: Check) -> None:
    assert only(check(AsDataclass, "tenant:{tenant}:orders", TOPIC="tenant:{status}:orders"))


def test_m2m_is_there_if_it_is_about_relations(check: Check) -> None:
    assert check(Relation, ACTIONS=["m2m_changed"]) == []
    assert "requires: m2m." in only(check(Relation, ACTIONS=["created", "m2m_changed"])).msg


@pytest.mark.parametrize(
    ("payload", "entry"),
    [
        (AsDataclass, {"PAYLOAD": "tests.publishers.examples.order_payload"}),
        (None, {}),
        (dict[str, Any], {}),
        (AsModel, {}),
        (AsArray, {}),
        ({"elsewhere": AsDataclass}, {}),
        ({"order.paid": AsDataclass}, {"TYPE": "order.{status}"}),
    ],
    ids=str,
)
def test_what_cannot_be_told(check: Check, payload: Any, entry: dict[str, Any]) -> None:
    assert check(payload, **entry) == []


@pytest.mark.parametrize(
    ("entry", "id"),
    [
        ({"FIELDS": ["totl"]}, "E103"),
        ({"MODEL": "tests_app.Nothing"}, "E102"),
        ({"TOPIC": "nowhere"}, "E111"),
        ({"TOPIC": "no topic"}, "E119"),
        ({"TYPE": "o.{"}, "E120"),
        ({"ACTIONS": ["create"]}, "E106"),
    ],
)
def test_other_mistakes_come_first(check: Check, entry: dict[str, Any], id: str) -> None:
    assert [m.id for m in check(AsDataclass, **entry)] == [f"bus.{id}"]
