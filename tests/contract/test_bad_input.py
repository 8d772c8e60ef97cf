"""Bad input of every kind ends in the dead letters with a named reason, whole, and the consumer lives."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract.consuming import Contract


@dataclass
class Order:
    id: int


GOOD: dict[Any, Any] = {
    "ce_specversion": "1.0",
    "ce_id": "1",
    "ce_source": "tests",
    "ce_type": "order",
    "ce_time": "2026-11-22T08:00:00Z",
    "content-type": "application/json",
    "data": '{"id": 1}',
}

BAD: dict[str, tuple[str, dict[Any, Any]]] = {
    "no JSON": ("undecodable", {"data": "{"}),
    "empty data": ("undecodable", {"data": b""}),
    "bytes that are no text": ("undecodable", {"ce_type": "any", "data": b'"\xff\xfe"'}),
    "text that is no UTF-8 in the payload": ("undecodable", {"ce_type": "any", "data": b'{"id": "\xff"}'}),
    "nested deeply": ("undecodable", {"ce_type": "any", "data": "[" * 100_000 + "]" * 100_000}),
    "nested very deeply": ("undecodable", {"ce_type": "any", "data": "[" * 200_000}),
    "NUL": ("undecodable", {"data": b"\x00\x00"}),
    "a pickle": ("undecodable", {"data": pickle.dumps({"id": 1})}),
    "a pickle that says so": ("undecodable", {"content-type": "application/x-python-pickle"}),
    "an unknown content type": ("undecodable", {"content-type": "application/protobuf"}),
    "an unknown encoding": ("undecodable", {"content-encoding": "br"}),
    "not compressed": ("undecodable", {"content-encoding": "deflate"}),
    "compressed and cut": ("undecodable", {"content-encoding": "deflate", "data": zlib.compress(b'{"id": 1}')[:-3]}),
    "a bomb": ("too_large", {"content-encoding": "deflate", "data": zlib.compress(b" " * 5_000_000)}),
    "huge": ("too_large", {"data": b" " * 1_100_000}),
    "another specification": ("undecodable", {"ce_specversion": "9"}),
    "no id": ("undecodable", {"ce_id": None}),
    "an id with line breaks": ("undecodable", {"ce_id": "a\r\nb"}),
    "an id that is no UTF-8": ("undecodable", {"ce_id": b"\xff"}),
    "a type that is no UTF-8": ("undecodable", {"ce_type": b"\xff"}),
    "an empty type": ("undecodable", {"ce_type": b""}),
    "no source": ("undecodable", {"ce_source": None}),
    "hops that are no number": ("undecodable", {"ce_hops": "many"}),
    "hops beyond belief": ("undecodable", {"ce_hops": "9" * 10_000}),
    "an unknown type": ("unknown_type", {"ce_type": "refund"}),
    "a newer version": ("unknown_version", {"ce_dataschema": "bus:events:contract:v7"}),
    "a field of another type": ("invalid_payload", {"data": '{"id": "seven"}'}),
    "a field missing": ("invalid_payload", {"data": "{}"}),
    "a list": ("invalid_payload", {"data": "[1]"}),
    "a number out of range": ("invalid_payload", {"data": '{"id": 1e999}'}),
    "MessagePack that is none": ("undecodable", {"content-type": "application/msgpack", "data": b"\xc1"}),
    "text/plain that is no text": ("undecodable", {"content-type": "text/plain", "data": b"\xff"}),
}


def entry(changes: dict[Any, Any]) -> dict[Any, Any]:
    return {name: value for name, value in (GOOD | changes).items() if value is not None}


def declared(contract: Contract, kind: str) -> list[Any]:
    """Declare the stream with a handler of that kind; return what it has seen."""
    stream = contract.stream(payload={"order": Order, "any": Any})
    seen: list[Any] = []
    if kind == "batch":

        @stream.handler(group="g", batch=10)
        def batch(events: list[Any]) -> None:
            seen.extend(event.data for event in events)

    elif kind == "async":

        @stream.handler(group="g")
        async def handle_async(event: Any) -> None:
            seen.append(event.data)

    else:

        @stream.handler(group="g")
        def handle(event: Any) -> None:
            seen.append(event.data)

    return seen


@pytest.mark.parametrize("name", BAD)
def test_it_is_a_dead_letter_with_its_reason_and_its_bytes(contract: Contract, name: str) -> None:
    reason, changes = BAD[name]
    seen = declared(contract, "sync")
    contract.raw(entry(changes))
    contract.raw(GOOD)
    [(_, original), _] = contract.client.xrange(contract.key)

    contract.burst()

    assert seen == [Order(id=1)]
    [letter] = contract.dead()
    assert letter[b"dead_reason"].decode() == reason
    assert letter[b"dead_attempts"] == b"1"
    assert {field: value for field, value in letter.items() if not field.startswith(b"dead_")} == original
    assert contract.settled()


@pytest.mark.parametrize("kind", ["sync", "batch", "async", "threads"])
def test_all_of_it_at_once_in_every_kind_of_consumer(contract: Contract, kind: str) -> None:
    seen = declared(contract, kind)
    bad = {contract.raw(entry(changes)) for _, changes in BAD.values()}
    for _ in range(5):
        contract.raw(GOOD)

    contract.burst(threads=4 if kind == "threads" else 0)

    assert seen == [Order(id=1)] * 5
    assert contract.dead_ids() == bad
    assert sorted(contract.reasons()) == sorted(reason for reason, _ in BAD.values())
    assert contract.settled()


@pytest.mark.parametrize(
    ("fields", "data"),
    [
        ({"type": "created", "id": "7"}, {"type": "created", "id": "7"}),
        ({"data": '{"id": 7}'}, {"id": 7}),
        ({"payload": "plain text"}, "plain text"),
        ({"message": b"\xff\x00"}, b"\xff\x00"),
        ({"data": b'"\xff"'}, b'"\xff"'),
        ({"data": "[" * 100_000 + "]" * 100_000}, "[" * 100_000 + "]" * 100_000),
        ({b"\xff": b"\xfe", "a": ""}, {"b'\\xff'": b"\xfe", "a": ""}),
        ({"ce_id": "1", "data": "x"}, {"ce_id": "1", "data": "x"}),
    ],
)
def test_what_another_program_added_arrives_as_a_foreign_event(
    contract: Contract, fields: dict[Any, Any], data: Any
) -> None:
    stream = contract.stream()
    seen: list[Any] = []

    @stream.handler(group="g")
    def handle(event: Any) -> None:
        assert event.foreign
        seen.append(event.data)

    contract.raw(fields)
    contract.burst()

    assert seen == [data]
    assert contract.dead() == []


def test_a_foreign_entry_that_does_not_fit_is_a_dead_letter(contract: Contract) -> None:
    seen = declared(contract, "sync")
    contract.raw({"type": "refund", "id": "7"})
    contract.raw({"type": "order", "id": "x"})
    contract.raw({"type": "order", "id": "7"})

    contract.burst()

    assert contract.reasons() == ["unknown_type", "invalid_payload"]
    assert seen == [Order(id=7)]


def test_a_foreign_entry_that_is_huge_is_a_dead_letter(contract: Contract, configure: Callable[..., None]) -> None:
    configure(MAX_EVENT_BYTES=1000)
    seen = declared(contract, "sync")
    contract.raw({f"f{n}": "x" * 100 for n in range(20)})

    contract.burst()

    assert contract.reasons() == ["too_large"]
    assert seen == []


def test_an_upcaster_that_fails_is_a_dead_letter(contract: Contract) -> None:
    stream = contract.stream(version=2)

    @stream.upcaster(from_version=1)
    def upcast(data: Any) -> Any:
        return {"id": data["missing"]}

    @stream.handler(group="g")
    def handle(event: Any) -> None: ...

    contract.raw(entry({}))
    contract.burst()

    assert contract.reasons() == ["invalid_payload"]
