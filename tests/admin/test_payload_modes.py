"""A payload field by field and as JSON: what was filled in the one way is there in the other."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from django.http import QueryDict
from msgspec import Meta

from django_redis_bus.admin import payload_modes
from django_redis_bus.admin.payload_form import WHOLE, PayloadForm
from django_redis_bus.bus import buses
from django_redis_bus.operations import composing
from django_redis_bus.operations.shapes import Shape, shape_of
from tests.operations.ward import TOPIC

from .conftest import RIGHTS, Staff
from .verbs import records

At = Callable[..., str]
ID = "12345678123456781234567812345678"


@dataclass
class Order:
    id: Annotated[int, Meta(ge=1)]
    total: Decimal
    at: datetime
    note: str | None
    lines: list[int]
    status: Literal["new", "paid"] = "new"
    gift: bool = False
    extra: list[int] = field(default_factory=list)


SHAPE = shape_of(Order)
EXAMPLE = {
    "id": 1, "total": "0.00", "at": "2026-01-31T08:00:00Z", "note": None, "lines": None, "status": "new", "gift": False,
}  # fmt: skip


@pytest.fixture
def address(at: At, declare: Callable[..., Any]) -> str:
    declare(TOPIC, payload={"shop.order.created": Order})
    return at("publish", topic=TOPIC, type="shop.order.created")


def written(form: PayloadForm) -> Any:
    return json.loads(form.initial[WHOLE])


def to_json(**values: str) -> Any:
    places = {each.name: f"payload-f{n}" for n, each in enumerate(SHAPE.fields or ())}
    data = QueryDict(mutable=True)
    data.update({places[name]: value for name, value in values.items()})
    return written(payload_modes.switched(SHAPE, data, whole=True))


def from_json(text: str) -> PayloadForm:
    data = QueryDict(mutable=True)
    data["payload-json"] = text
    return payload_modes.switched(SHAPE, data, whole=False)


def test_json_begins_with_an_example_of_the_shape() -> None:
    assert written(payload_modes.payload_form(SHAPE, None, whole=True)) == EXAMPLE
    assert not payload_modes.payload_form(Shape(), None, whole=True).initial


def test_what_was_typed_stands_in_the_json_and_the_example_beside_it() -> None:
    found = to_json(id="7", total="9.90", at="2026-11-22T08:00:00", lines="[1, 2]", status="1", gift="on")
    assert found.pop("at").startswith("2026-11-22T08:00:00")
    assert found == {"id": 7, "total": "9.90", "note": None, "lines": [1, 2], "status": "paid", "gift": True}


def test_what_does_not_fit_is_kept_as_it_was_typed() -> None:
    assert to_json(id="seven", total="", lines="[1") == EXAMPLE | {"id": "seven", "lines": "[1"}


def test_json_is_split_into_the_fields() -> None:
    said = {"id": 7, "total": "9.90", "at": "2026-11-22T08:00:00Z", "note": "x", "lines": [1], "status": "paid"}
    form = from_json(json.dumps(said))
    assert not form.is_bound
    assert form.initial == {
        "f0": 7, "f1": "9.90", "f2": datetime(2026, 11, 22, 8, tzinfo=UTC), "f3": "x", "f4": "[\n  1\n]", "f5": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("odd", "shown"),
    [
        ({"at": "no time"}, 'value="no time"'),
        ({"at": "2026-13-45T00:00:00"}, 'value="2026-13-45T00:00:00"'),
        ({"at": 7}, 'value="7"'),
        ({"id": [1]}, 'value="[\n  1\n]"'),
        ({"note": {"a": 1}}, "&quot;a&quot;: 1"),
    ],
)
def test_json_that_does_not_fit_is_kept_as_well(odd: dict[str, Any], shown: str) -> None:
    assert shown in from_json(json.dumps(odd)).as_p()


@pytest.mark.parametrize(
    ("text", "said"),
    [('{"id"', "This is not JSON"), ("[1]", "no field for this: $"), ('{"colour": 1}', "no field for this: colour")],
)
def test_json_that_has_no_place_in_the_fields_stays_json(text: str, said: str) -> None:
    form = from_json(text)
    assert said in str(form.errors[WHOLE])
    assert form.data["payload-json"] == text


def test_an_empty_text_becomes_empty_fields() -> None:
    assert from_json(" ").initial == {}


def test_the_page_switches_and_judges_and_sends_nothing(staff: Staff, address: str) -> None:
    client = staff(*RIGHTS)
    typed = {"event_id": ID, "key": "k-7", "payload-f0": "7", "payload-f1": "9.90", "switch": "json"}
    text = html.unescape(client.post(address, typed | {"confirmed": "1"}).content.decode())
    assert 'value="k-7"' in text
    assert ID in text
    assert '"total": "9.90"' in text
    assert "Fill in field by field" in text
    assert "mode=json" in text
    assert "bus-refused" not in text
    data = {"event_id": ID, "key": "k-7", "payload-json": '{"id": 8}', "switch": "fields"}
    back = client.post(f"{address}&mode=json", data).content.decode()
    assert 'name="payload-f0" value="8"' in back
    assert "mode=json" not in back
    assert "Write it as JSON" in back
    assert "bus-refused" not in back
    stays = html.unescape(client.post(f"{address}&mode=json", data | {"payload-json": "{"}).content.decode())
    assert "This is not JSON" in stays
    assert "mode=json" in stays
    assert records() == []


def test_the_first_button_of_the_form_checks_and_does_not_switch(staff: Staff, address: str) -> None:
    form = staff(*RIGHTS).get(address).content.decode().partition("bus-confirm")[2]
    assert form.index("Check it") < form.index('name="switch"')


def test_the_example_of_a_simple_shape_can_be_sent(declare: Callable[..., Any], bus_settings: Any) -> None:
    declare(TOPIC, payload=Simple)
    assert composing.compose(buses["default"], TOPIC, payload_modes.example(shape_of(Simple)))


@dataclass
class Simple:
    id: int
    text: str
    total: Decimal
    at: datetime
    ratio: float
    status: Literal["new", "paid"]
    done: bool
    perhaps: int | None = None
