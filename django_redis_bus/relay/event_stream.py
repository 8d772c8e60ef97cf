"""text/event-stream, as an EventSource reads it: its fields, and the positions in its ids. Nothing here does I/O.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from .members import Item
from .timeline import Position

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment: nobody hears of it, but proxies and browsers see that the connection lives."""

_LINES = re.compile(r"\r\n|\r|\n")
_PLACE = re.compile(r"(\w{1,64}):(\d{1,19}-\d{1,19})", re.ASCII)
_NOWHERE = "-"
PRESENCE = "bus.presence."


class _Typed(msgspec.Struct):
    type: str = ""


_encode = msgspec.json.Encoder().encode
_type = msgspec.json.Decoder(_Typed)


class Place(NamedTuple):
    """Where a browser was in a topic when it left."""

    position: Position | None
    has_been: bool
    """It has been there before. Without a position, then, nobody knows what it has missed."""


NEW = Place(None, has_been=False)
LOST = Place(None, has_been=True)


def place_at(position: Position | None) -> Place:
    """Return the place of somebody who is in a topic."""
    return LOST if position is None else Place(position, has_been=True)


def read_places(text: str, count: int) -> list[Place]:
    """Return where a browser was in each of its topics, as its last event id says. What cannot be read is LOST.

    Args:
        text: such as "k3f9:42-183,-,": for each topic its position, "-" if it has none, nothing if it was not joined.
        count: how many topics it asks for.
    """
    if not text:
        return [NEW] * count
    parts = text.split(",", count)
    if len(parts) != count:
        return [LOST] * count
    return [_read(part) for part in parts]


def _read(part: str) -> Place:
    if not part:
        return NEW
    found = _PLACE.fullmatch(part)
    return place_at(Position(found[1], found[2])) if found else LOST


def event_id(places: Iterable[Place]) -> bytes:
    """Return the line with the places of all topics: what a browser sends when it comes back."""
    return f"id: {','.join(map(_written, places))}\n".encode()


def _written(place: Place) -> str:
    if place.position is not None:
        return f"{place.position.epoch}:{place.position.offset}"
    return _NOWHERE if place.has_been else ""


def retry(ms: int) -> bytes:
    """Return the line that says when to come back after the connection has ended."""
    return f"retry: {ms}\n\n".encode()


def named(name: str, **parts: Any) -> bytes:
    """Return an event of this name; its id, if it has one, goes before it."""
    return f"event: {name}\n".encode() + _data(_encode(parts).decode())


def message(topic: str, event: str) -> bytes:
    """Return an event of the topic, which is JSON."""
    return _data(f'{{"topic":{_encode(topic).decode()},"event":{event}}}')


def item(each: Item) -> bytes:
    """Return an Item as an event, b"" if it is none for an event stream. It is encoded once for all of the room."""
    if each.sse is None:
        each.sse = _item(each)
    return each.sse


def _item(each: Item) -> bytes:
    if each.kind == "gap":
        return gap(each.topic, each.position, each.missed)
    if each.kind == "interrupted":
        return named("interrupted", topic=each.topic)
    assert each.event is not None
    # Who is there is not told: nobody is there by an event stream, and no list comes with its "joined".
    if each.position is None and _type.decode(each.event).type.startswith(PRESENCE):
        return b""
    return message(each.topic, each.event)


def gap(topic: str, position: Position | None, missed: int | None) -> bytes:
    """Return the event that tells of messages which nobody can bring back."""
    epoch, offset = position or (None, None)
    return named("gap", topic=topic, epoch=epoch, offset=offset, missed=missed)


def _data(text: str) -> bytes:
    # JSON that a bus has written is one line. What others publish may have line ends between its members, and each line
    # has to say that it is data: or the rest of it would be fields of its sender's choice.
    if "\n" in text or "\r" in text:
        text = "\ndata: ".join(_LINES.split(text))
    return f"data: {text}\n\n".encode()
