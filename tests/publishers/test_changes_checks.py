"""bus.E122 to E124, and W102 of CHANGES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec
import pytest
from django.core.checks import CheckMessage

from django_redis_bus.checks import publisher_changes
from django_redis_bus.checks.publishers import check_publishers
from django_redis_bus.conf import configs

Check = Callable[..., list[CheckMessage]]
PLACE = "REDIS_BUS['default']['PUBLISHERS']['p']['CHANGES']"
PAYLOAD = "tests.publishers.examples.order_payload"


class Plain(msgspec.Struct):
    status: str


class Telling(Plain):
    changes: dict[str, Any] | None = None


class Renaming(Plain):
    what: dict[str, Any] = msgspec.field(name="changes", default_factory=dict)


@dataclass
class PlainData:
    status: str


class PlainDict(TypedDict):
    status: str


@pytest.fixture
def check(declare: Callable[..., Any], bus_settings: Callable[..., None]) -> Check:
    """Return what the checks say about one entry with CHANGES, given the stream's payload type."""

    def run(payload: Any = None, **entry: Any) -> list[CheckMessage]:
        declare("events:order", payload=payload)
        entry = {"MODEL": "tests_app.Order", "TOPIC": "events:order", "CHANGES": True} | entry
        bus_settings(PUBLISHERS={"p": entry})
        return check_publishers(configs())

    return run


def one(messages: list[CheckMessage], id: str, hint: str) -> CheckMessage:
    [message] = messages
    assert (message.id, message.hint) == (id, hint)
    assert message.msg.startswith(f"{PLACE} ")
    return message


@pytest.mark.parametrize(
    "entry",
    [
        {"FIELDS": ["status"]},
        {"FIELDS": "__all__"},
        {"EXCLUDE": ["total"]},
        {"ONLY_IF_CHANGED": ["status"]},
        {"PAYLOAD": PAYLOAD, "ONLY_IF_CHANGED": ["status"]},
        {"FIELDS": ["status"], "TOPIC": "events:{status}:x", "CHANGES": False},
    ],
    ids=str,
)
def test_what_can_be_told(check: Check, entry: dict[str, Any]) -> None:
    assert [message for message in check(**entry) if message.id != "bus.E111"] == []


class TestUnnamed:
    HINT = "Nothing leaves that was not named. Name the columns in ONLY_IF_CHANGED"

    def test_e122_no_fields(self, check: Check) -> None:
        one(check(), "bus.E122", f"{self.HINT}, or in FIELDS.")
        one(check(FIELDS=[]), "bus.E122", f"{self.HINT}, or in FIELDS.")

    def test_e122_payload(self, check: Check) -> None:
        one(check(PAYLOAD=PAYLOAD), "bus.E122", f"{self.HINT}.")


@pytest.mark.parametrize("kind", [Plain, PlainData, PlainDict])
def test_e123_a_type_that_has_no_place_for_it(check: Check, kind: type) -> None:
    message = one(
        check(kind, FIELDS=["status"]),
        "bus.E123",
        f"Add a field to {kind.__name__}: changes: dict[str, Any] | None = None.",
    )
    assert f"{kind.__name__}, the payload type of 'tests_app.order.updated' in stream 'events:order'" in message.msg
    check({"tests_app.order.updated": kind, "tests_app.order.created": Plain, "tests_app.order.deleted": Plain})
    assert [m.id for m in check(kind, PAYLOAD=PAYLOAD, ONLY_IF_CHANGED=["status"])] == ["bus.E123"]


@pytest.mark.parametrize(
    "payload",
    [
        Telling,
        Renaming,
        {"tests_app.order.updated": Telling, "tests_app.order.created": Plain, "tests_app.order.deleted": Plain},
        {"another.type": Plain},
    ],
    ids=str,
)
def test_types_that_have_one(check: Check, payload: Any) -> None:
    assert check(payload, FIELDS=["status"]) == []


def test_e124_a_column_of_that_name(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_changes, "NAME", "status")
    one(
        check(FIELDS=["status"]),
        "bus.E124",
        "Leave that column out of FIELDS, or build the data in a PAYLOAD function under another name.",
    )


def test_w102_no_updates(check: Check) -> None:
    one(
        check(FIELDS=["status"], ACTIONS=["created"]),
        "bus.W102",
        'Add "updated" to ACTIONS or remove CHANGES: it is about updates only.',
    )


def test_mistakes_of_others_are_not_told_twice(check: Check) -> None:
    assert [m.id for m in check(FIELDS=["stats"])] == ["bus.E103"]
    assert [m.id for m in check(ONLY_IF_CHANGED=["stats"])] == ["bus.E110"]
    assert [m.id for m in check(FIELDS=["status"], TYPE="a {b")] == ["bus.E120"]
