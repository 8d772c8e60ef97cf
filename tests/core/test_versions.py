"""Schema versions on the wire, and upcasters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from django_redis_bus.core.attributes import dataschema, split_version
from django_redis_bus.core.exceptions import ConfigurationError
from django_redis_bus.core.payloads import Payloads
from django_redis_bus.core.policy import Reason
from django_redis_bus.core.reading import EntryReader
from tests.core.examples import MSGPACK, entry, reader, refusal


@dataclass
class Person:
    """Version 3: version 1 had `name`, version 2 `first` and `last` apart, without an age."""

    first: str
    last: str
    age: int


@pytest.fixture
def by() -> EntryReader:
    made = reader(Person, version=3)
    made.payloads.upcasters[1] = lambda data: dict(zip(["first", "last"], data["name"].split(), strict=True))
    made.payloads.upcasters[2] = lambda data: {"age": 0, **data}
    return made


def test_old_data_go_through_every_step_to_the_current_version(by: EntryReader) -> None:
    # Given an entry of the first version, which names none
    event = by.read(b"1-1", entry(data=b'{"name":"Ada Lovelace"}'))
    # Then both steps have run
    assert event.data == Person("Ada", "Lovelace", 0)
    assert event.version == 3


def test_steps_before_the_entrys_version_do_not_run(by: EntryReader) -> None:
    flat = entry(ce_dataschema=b"bus:events:order:v2", data=b'{"first":"A","last":"L"}')
    assert by.read(b"1-1", flat).data == Person("A", "L", 0)


def test_current_data_are_read_directly(by: EntryReader) -> None:
    flat = entry(ce_dataschema=dataschema("events:order", 3).encode(), data=b'{"first":"A","last":"L","age":3}')
    event = by.read(b"1-1", flat)
    assert (event.data, event.version) == (Person("A", "L", 3), 3)


def test_steps_work_on_msgpack_too(by: EntryReader) -> None:
    flat = entry(content__type=b"application/msgpack", data=MSGPACK.encode({"name": "A L"}))
    assert by.read(b"1-1", flat).data == Person("A", "L", 0)


@pytest.mark.parametrize("schema", [b"bus:events:order:v4", b"https://schemas.example/order/v999999999"])
def test_a_version_newer_than_ours_is_unknown(by: EntryReader, schema: bytes) -> None:
    error = refusal(entry(ce_dataschema=schema), by)
    assert error.reason == Reason.UNKNOWN_VERSION


def test_a_missing_step_is_named(by: EntryReader) -> None:
    del by.payloads.upcasters[2]
    error = refusal(entry(), by)
    assert error.reason == Reason.UNKNOWN_VERSION
    assert "from schema version 2 to 3" in str(error)


def test_version_zero_is_unknown(by: EntryReader) -> None:
    assert refusal(entry(ce_dataschema=b"x:v0"), by).reason == Reason.UNKNOWN_VERSION


@pytest.mark.parametrize("data", [b"{}", b"[]", b'{"name":"Plato"}', b'{"name":7}'])
def test_a_step_that_fails_makes_the_payload_invalid(by: EntryReader, data: bytes) -> None:
    assert refusal(entry(data=data), by).reason == Reason.INVALID_PAYLOAD


def test_what_the_steps_return_has_to_fit(by: EntryReader) -> None:
    by.payloads.upcasters[2] = lambda data: {"age": "old", **data}
    error = refusal(entry(data=b'{"name":"A L"}'), by)
    assert error.reason == Reason.INVALID_PAYLOAD
    assert "$.age" in str(error)


def test_a_type_may_name_the_version(by: EntryReader) -> None:
    event = by.read(b"1-1", entry(ce_type=b"person.moved.v2", data=b'{"first":"A","last":"L"}'))
    assert (event.type, event.version, event.data) == ("person.moved", 3, Person("A", "L", 0))


def test_a_declared_type_that_ends_in_a_version_is_taken_as_it_is() -> None:
    by = reader({"person.moved.v2": Person})
    event = by.read(b"1-1", entry(ce_type=b"person.moved.v2", data=b'{"first":"A","last":"L","age":1}'))
    assert (event.type, event.version) == ("person.moved.v2", 1)


def test_a_dataschema_wins_over_the_type() -> None:
    event = reader().read(b"1-1", entry(ce_type=b"person.moved.v2", ce_dataschema=b"bus:events:order:v1"))
    assert event.type == "person.moved.v2"


def test_a_dataschema_without_a_version_is_the_first() -> None:
    assert reader().read(b"1-1", entry(ce_dataschema=b"https://schemas.example/order.json")).data == {"id": 7}


def test_a_foreign_entry_is_taken_as_the_current_version(by: EntryReader) -> None:
    event = by.read(b"1-1", [b"first", b"A", b"last", b"L", b"age", b"3"])
    assert (event.data, event.version) == (Person("A", "L", 3), 3)


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("order.created.v2", ("order.created", 2)),
        ("bus:events:order:v12", ("bus:events:order", 12)),
        ("https://x/order/v3", ("https://x/order", 3)),
        ("https://x#v3", ("https://x", 3)),
        ("order.v2.created", ("order.v2.created", None)),
        ("orderv2", ("orderv2", None)),
        ("order.v", ("order.v", None)),
        ("order.v2\n", ("order.v2\n", None)),
        ("order.v٣", ("order.v٣", None)),
        ("order.v1234567890", ("order.v1234567890", None)),
        ("", ("", None)),
    ],
)
def test_versions_in_texts(text: str, split: Any) -> None:
    assert split_version(text) == split


@pytest.mark.parametrize("version", [0, -1])
def test_versions_start_at_1(version: int) -> None:
    with pytest.raises(ConfigurationError, match="starts at 1"):
        Payloads("events:order", None, version)
