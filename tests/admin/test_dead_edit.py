"""A dead letter corrected in the console."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from django_redis_bus.core.redaction import REDACTED
from tests.operations.ward import TOPIC, Ward

from .conftest import RIGHTS, Staff
from .verbs import STREAM, confirm, records, state

At = Callable[..., str]
Declare = Callable[..., Any]


@dataclass
class Order:
    id: int
    card: str = ""


@pytest.fixture
def letter(ward: Ward, declare: Declare) -> str:
    """The dead letter of an order whose id is no number."""
    declare(TOPIC, payload=Order, redact=["card"])
    [dead_id] = ward.bury(*ward.read(data='{"id":"seven","card":"x4111"}'), reason="invalid_payload")
    return dead_id


def test_the_payload_is_there_to_be_edited_without_what_nobody_may_see(
    staff: Staff, at: At, ward: Ward, letter: str
) -> None:
    text = html.unescape(staff(*RIGHTS).get(at("dead_edit", **STREAM, id=letter)).content.decode())
    assert '"id": "seven"' in text
    assert f'"card": "{REDACTED}"' in text
    assert "x4111" not in text
    assert "payload of type Order" in text


def test_what_does_not_fit_is_said_at_the_field_and_nothing_is_sent(
    staff: Staff, at: At, ward: Ward, letter: str
) -> None:
    client, address, before = staff(*RIGHTS), at("dead_edit", **STREAM, id=letter), state(ward)
    for payload, problem in (
        ('{"id": "eight"}', "Expected `int`, got `str` - at `$.id`"),
        ('{"id": 8', "This is not JSON"),
        ("", "This field is required"),
        (f'{{"id": 8, "note": "{REDACTED}"}}', "no hidden value at $.note"),
        ("[" * 100_000, "This is not JSON"),
    ):
        answer = client.post(address, {"act": "resend", "payload-json": payload, "confirmed": "1"})
        assert answer.status_code == 200
        assert problem in html.unescape(answer.content.decode())
    assert state(ward) == before
    assert records() == []


def test_the_copy_takes_the_place_of_the_letter(staff: Staff, at: At, ward: Ward, letter: str) -> None:
    address = at("dead_edit", **STREAM, id=letter)
    payload = f'{{"id": 7, "card": "{REDACTED}"}}'
    answer = confirm(staff(*RIGHTS), address, {"act": "resend", "payload-json": payload})
    assert "The copy is in the stream, and the dead letter is gone." in answer.content.decode()
    copy = list(ward.entries().values())[-1]
    assert json.loads(copy[b"data"]) == {"id": 7, "card": "x4111"}
    assert copy[b"bus_only_for"] == b"billing"
    assert ward.letters() == {}
    [record] = records()
    assert record.change_message == f"resend, 1 asked, id {letter}: 1 done"
    assert "x4111" not in record.change_message


def test_the_copy_may_be_for_everyone(staff: Staff, at: At, ward: Ward, letter: str) -> None:
    address = at("dead_edit", **STREAM, id=letter)
    confirm(staff(*RIGHTS), address, {"act": "resend", "payload-json": '{"id": 7}'}, everyone="on")
    assert b"bus_only_for" not in list(ward.entries().values())[-1]
    assert "for all groups" in records()[0].change_message


def test_of_two_who_correct_it_one_sends(staff: Staff, at: At, ward: Ward, letter: str) -> None:
    # Given two operators who have both got as far as the confirmation
    address, data = at("dead_edit", **STREAM, id=letter), {"payload-json": '{"id": 7}', "confirmed": "1"}
    ada, bob = staff(*RIGHTS), staff(*RIGHTS)
    ada.post(address, data)
    before = ward.entries()
    # When the second confirms
    answer = bob.post(address, data)
    # Then
    assert answer.status_code == 404
    assert ward.entries() == before


@pytest.mark.parametrize("rights", [("see_bus", "operate_bus"), ("see_bus", "see_payloads", "destroy_bus")])
def test_who_may_not_see_or_not_send_may_not_edit(
    staff: Staff, at: At, ward: Ward, letter: str, rights: tuple[str, ...]
) -> None:
    client, address, before = staff(*rights), at("dead_edit", **STREAM, id=letter), state(ward)
    assert client.get(address).status_code == 403
    assert client.post(address, {"payload-json": '{"id": 7}', "confirmed": "1"}).status_code == 403
    assert state(ward) == before


def test_bytes_that_nobody_can_read_are_written_anew(staff: Staff, at: At, ward: Ward, declare: Declare) -> None:
    declare(TOPIC)
    [letter] = ward.bury(*ward.read(data=b"\xff{"), reason="undecodable")
    text = staff(*RIGHTS).get(at("dead_edit", **STREAM, id=letter)).content.decode()
    assert "cannot be read: write the one that is to be sent" in text


class Strict(msgspec.Struct):
    """A type whose own words quote what it refuses."""

    id: int
    card: str = ""

    def __post_init__(self) -> None:
        if self.id == 666:
            raise ValueError(f"bad card {self.card}, or {self.card!r}")


@pytest.mark.parametrize("confirmed", [{}, {"confirmed": "1"}])
def test_the_words_of_a_type_do_not_show_what_nobody_may_see(
    staff: Staff, at: At, ward: Ward, declare: Declare, confirmed: dict[str, str]
) -> None:
    # Given a letter with a value that is hidden from everybody
    declare(TOPIC, payload=Strict, redact=["card"])
    [letter] = ward.bury(*ward.read(data='{"id":1,"card":"x4111-\'HIDDEN"}'))
    # When it is put back into data that its type refuses
    data = {"payload-json": f'{{"id": 666, "card": "{REDACTED}"}}'} | confirmed
    text = html.unescape(staff(*RIGHTS).post(at("dead_edit", **STREAM, id=letter), data).content.decode())
    # Then the type says why, without the value
    assert f"bad card {REDACTED}" in text
    assert "HIDDEN" not in text


@pytest.mark.parametrize("redact", [[], ["card"]])
def test_what_is_nested_too_deeply_is_written_anew(
    staff: Staff, at: At, ward: Ward, declare: Declare, redact: list[str]
) -> None:
    declare(TOPIC, redact=redact)
    [letter] = ward.bury(*ward.read(data="[" * 60_000 + "]" * 60_000))
    client, address = staff(*RIGHTS), at("dead_edit", **STREAM, id=letter)
    assert "cannot be read: write the one that is to be sent" in client.get(address).content.decode()
    answer = client.post(address, {"payload-json": f'{{"card": "{REDACTED}"}}', "confirmed": "1", "everyone": "on"})
    if redact:
        assert "no hidden value at $.card" in html.unescape(answer.content.decode())
        client.post(address, {"payload-json": '{"card": "new"}', "confirmed": "1", "everyone": "on"})
    assert ward.letters() == {}
