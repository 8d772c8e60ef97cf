"""An event made by hand: chosen, filled in, shown, sent."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from django_redis_bus.bus import buses
from tests.operations.ward import TOPIC, Ward

from .conftest import RIGHTS, Staff
from .verbs import confirm, hidden, records

At = Callable[..., str]
Declare = Callable[..., Any]
ID = "12345678123456781234567812345678"


@dataclass
class Order:
    id: int
    total: Decimal
    status: Literal["new", "paid"] = "new"


@dataclass
class Said:
    text: Annotated[str, Meta(pattern="^[a-z]+$")]


@pytest.fixture
def orders(declare: Declare) -> Any:
    """A stream with a payload type and two event types."""
    return declare(TOPIC, payload={"shop.order.created": Order, "shop.order.note": Said})


def order(**changes: str) -> dict[str, str]:
    return {"event_id": ID, "payload-f0": "7", "payload-f1": "9.90", "payload-f2": "1", "key": "k"} | changes


def test_topics_are_chosen_first_and_then_types(staff: Staff, at: At, orders: Any, declare_channel: Declare) -> None:
    declare_channel("chat:{room}")
    client = staff("see_bus", "operate_bus")
    text = client.get(at("publish")).content.decode()
    assert f'<option value="{TOPIC}">' in text
    assert '<option value="chat:{room}">' in text
    text = client.get(at("publish", topic=TOPIC)).content.decode()
    assert '<option value="shop.order.created" selected>' in text
    assert 'type="number" name="payload-f0"' in text
    text = client.get(at("publish", topic=TOPIC, type="shop.order.note", was=TOPIC)).content.decode()
    assert '<option value="shop.order.note" selected>' in text
    assert 'type="text" name="payload-f0"' in text


def test_a_type_of_another_topic_is_not_taken_along(staff: Staff, at: At, orders: Any, declare: Declare) -> None:
    declare("events:parcel")
    text = staff(*RIGHTS).get(at("publish", topic="events:parcel", type="shop.order.note", was=TOPIC)).content.decode()
    assert 'value="tests.events.parcel"' in text


def test_a_topic_that_nothing_declares_is_said(staff: Staff, at: At) -> None:
    text = staff(*RIGHTS).get(at("publish", topic="<b>x")).content.decode()
    assert "Nothing declares “&lt;b&gt;x”." in text


def test_it_is_shown_as_it_would_be_sent_and_then_sent(staff: Staff, at: At, orders: Any, ward: Ward) -> None:
    client, address = staff(*RIGHTS), at("publish", topic=TOPIC, type="shop.order.created")
    asked = html.unescape(client.post(address, order()).content.decode())
    assert '"total": "9.90"' in asked
    assert '"status": "paid"' in asked
    assert ID in asked
    answer = confirm(client, address, order())
    [(entry_id, entry)] = ward.entries().items()
    assert entry_id in answer.content.decode()
    assert json.loads(entry[b"data"]) == {"id": 7, "total": "9.90", "status": "paid"}
    assert (entry[b"ce_type"], entry[b"ce_partitionkey"], entry[b"ce_id"]) == (b"shop.order.created", b"k", ID.encode())
    [record] = records()
    assert record.change_message == f"publish, 1 asked, type='shop.order.created' id={ID}: added {entry_id}"


def test_a_second_click_sends_it_once(staff: Staff, at: At, orders: Any, ward: Ward) -> None:
    client, address = staff(*RIGHTS), at("publish", topic=TOPIC, type="shop.order.created")
    form = hidden(client.post(address, order()).content.decode()) | {"confirmed": "1"}
    client.post(address, form)
    answer = client.post(address, form, follow=True)
    assert len(ward.entries()) == 1
    assert "it was not added twice" in answer.content.decode()


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"payload-f0": "seven"}, "payload-f0"),
        ({"payload-f0": "1e30"}, "payload-f0"),
        ({"payload-f1": ""}, "payload-f1"),
        ({"payload-f2": "5"}, "payload-f2"),
        ({"key": "\x00"}, "key"),
        ({"event_id": "no id"}, "event_id"),
    ],
)
def test_what_does_not_fit_is_said_at_its_field(
    staff: Staff, at: At, orders: Any, ward: Ward, data: dict[str, str], place: str
) -> None:
    answer = staff(*RIGHTS).post(
        at("publish", topic=TOPIC, type="shop.order.created"), order(**data) | {"confirmed": "1"}
    )
    draft = answer.context_data["draft"]
    errors = {**draft.event.errors, **{f"payload-{name}": said for name, said in draft.payload.errors.items()}}
    assert list(errors) == [place]
    assert ward.entries() == {}
    assert records() == []


def test_what_only_the_bus_can_tell_is_said_at_the_field(staff: Staff, at: At, orders: Any, ward: Ward) -> None:
    client = staff(*RIGHTS)
    data = {"event_id": ID, "payload-f0": "HELLO"}
    answer = client.post(at("publish", topic=TOPIC, type="shop.order.note"), data)
    assert "matching regex" in str(answer.context_data["draft"].payload.errors["f0"])
    answer = client.post(at("publish", topic=TOPIC, type="shop.order.created"), order(subject="a\u0085b"))
    assert list(answer.context_data["draft"].event.errors) == ["subject"]


def test_a_payload_may_be_written_as_json(staff: Staff, at: At, orders: Any, ward: Ward) -> None:
    address = at("publish", topic=TOPIC, type="shop.order.created", mode="json")
    client = staff(*RIGHTS)
    refused = client.post(address, {"event_id": ID, "payload-json": '{"id": 7, "total": "x"}'})
    assert "Invalid decimal string" in refused.content.decode()
    confirm(client, address, {"event_id": ID, "payload-json": '{"id": 7, "total": "1"}'})
    assert len(ward.entries()) == 1


def test_what_was_filled_in_can_still_be_changed(staff: Staff, at: At, orders: Any, ward: Ward) -> None:
    client, address = staff(*RIGHTS), at("publish", topic=TOPIC, type="shop.order.created")
    form = hidden(client.post(address, order()).content.decode())
    text = client.post(address, form | {"edit": "1"}).content.decode()
    assert 'name="payload-f1" value="9.90"' in text
    assert ward.entries() == {}


def test_a_message_over_a_channel_says_how_many_heard_it(
    staff: Staff, at: At, declare_channel: Declare, redis_client: Any, prefix: str
) -> None:
    declare_channel("chat:{room}", payload={"chat.said": Said})
    listening = redis_client.pubsub()
    listening.subscribe(f"{prefix}:chat:lobby")
    assert listening.get_message(timeout=5) is not None
    address = at("publish", topic="chat:lobby", type="chat.said")
    client = staff(*RIGHTS)
    assert 'value="lobby"' in client.get(address).content.decode()
    data = {"event_id": ID, "p0": "lobby", "payload-f0": "hello"}
    answer = confirm(client, address, data)
    assert "Connections that heard it: 1." in answer.content.decode()
    assert json.loads(listening.get_message(timeout=5)["data"])["data"] == {"text": "hello"}
    [record] = records()
    assert record.content_type.model == "channelpage"
    assert record.object_repr == "chat:lobby, bus default"
    assert record.change_message.endswith("sent receivers=1")


def test_a_placeholder_that_cannot_be_is_said_at_its_field(staff: Staff, at: At, declare_channel: Declare) -> None:
    declare_channel("chat:{room}")
    data = {"event_id": ID, "p0": "a:b", "payload-json": "1"}
    answer = staff(*RIGHTS).post(at("publish", topic="chat:{room}"), data)
    assert list(answer.context_data["draft"].event.errors) == ["p0"]


def test_what_redis_does_not_take_is_said(
    staff: Staff, at: At, orders: Any, bus_settings: Callable[..., None], ward: Ward, redis_client: Any
) -> None:
    bus_settings(ON_FAILURE="raise")
    redis_client.set(ward.key, "no stream")
    answer = confirm(staff(*RIGHTS), at("publish", topic=TOPIC, type="shop.order.created"), order())
    assert "It was not sent" in answer.content.decode()
    assert "failed: " in records()[0].change_message


def test_a_bus_that_is_muted_is_no_success(staff: Staff, at: At, orders: Any, ward: Ward) -> None:
    with buses["default"].muted():
        answer = confirm(staff(*RIGHTS), at("publish", topic=TOPIC, type="shop.order.created"), order())
    assert "It was not sent: muted." in answer.content.decode()
    assert ward.entries() == {}
