"""Streams both ways: what other clients add reaches handlers, and what the bus adds they can read."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

from django.core.management import call_command

from django_redis_bus import Event
from tests.interop.conftest import Peer


def handled(stream: Any) -> list[Event[Any]]:
    """Bind a handler to a stream, consume all there is, and return what the handler got."""
    got: list[Event[Any]] = []

    @stream.handler(group="billing")
    def bill(event: Event[Any]) -> None:
        got.append(event)

    call_command("consume_stream", stream.name, "--burst", stdout=io.StringIO())
    return got


def test_an_event_that_another_client_adds_by_the_wire_format_is_an_event(
    other: Peer, declare: Callable[..., Any], prefix: str
) -> None:
    # Given what docs/reference/wire-format.md tells people to add
    stream = declare("events:order")
    entry_id = other.xadd(
        f"{prefix}:events:order",
        {
            "ce_specversion": "1.0",
            "ce_id": "6b1f",
            "ce_source": "till",
            "ce_type": "shop.order.created",
            "ce_time": "2026-11-22T08:00:00Z",
            "ce_tenant": "Zoë & sons",
            "content-type": "application/json",
            "data": '{"id": 7, "total": "9.90", "by": "Zoë"}',
        },
    )

    [event] = handled(stream)

    assert (event.id, event.source, event.type, event.entry_id) == ("6b1f", "till", "shop.order.created", entry_id)
    assert event.data == {"id": 7, "total": "9.90", "by": "Zoë"}
    assert event.extensions == {"tenant": "Zoë & sons"}
    assert not event.foreign


def test_whatever_another_client_adds_is_a_foreign_event(other: Peer, declare: Callable[..., Any], prefix: str) -> None:
    stream = declare("notes")
    other.xadd(f"{prefix}:notes", {"type": "note.added", "id": "7"})
    other.xadd(f"{prefix}:notes", {"data": '{"type": "note.added", "id": 8}'})
    other.xadd(f"{prefix}:notes", {"data": "just text"})

    events = handled(stream)

    assert [(event.type, event.data, event.foreign) for event in events] == [
        ("note.added", {"type": "note.added", "id": "7"}, True),
        ("note.added", {"type": "note.added", "id": 8}, True),
        ("", "just text", True),
    ]


def test_other_clients_read_what_the_bus_adds(other: Peer, declare: Callable[..., Any], prefix: str) -> None:
    stream = declare("events:order")
    published = stream.publish(
        {"id": 7, "by": "Zoë"}, type="shop.order.created", subject="7", extensions={"tenant": "a"}
    )

    [(entry_id, fields)] = other.xrange(f"{prefix}:events:order")

    assert entry_id == published.entry_id
    assert json.loads(fields.pop("data")) == {"id": 7, "by": "Zoë"}
    assert fields.pop("ce_time")
    assert fields == {
        "ce_specversion": "1.0",
        "ce_id": published.event_id,
        "ce_source": "tests",
        "ce_type": "shop.order.created",
        "ce_subject": "7",
        "ce_tenant": "a",
        "content-type": "application/json",
    }
