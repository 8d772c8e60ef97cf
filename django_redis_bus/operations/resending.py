"""A dead letter corrected: the entry that is sent in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .. import consuming, registry
from ..core.attributes import extension, is_text
from ..core.causation import handling
from ..core.envelope import DATA, ONLY_FOR
from ..core.events import Event
from ..core.exceptions import PayloadError, UnreadableEntry
from ..core.foreign import BODIES
from ..core.letters import Letter
from ..core.reading import EntryReader
from ..core.redaction import REDACTED, Redaction
from ..core.serializers import plain
from ..core.topics import Address, StreamTopic
from .asking import Asking

_MISSING = object()


def copy_of(asking: Asking, topic: str, letter: Letter, data: Any) -> tuple[str, list[bytes | str]]:
    """Return the event id and the fields of a copy with other data.

    An event of a bus keeps its type, key, subject, time and extensions; its causation is the event that it corrects. A
    foreign entry is written as it was: one field that holds the whole, or a field per value; it has no id of its own.

    Args:
        data: plain values. "[redacted]", where that was shown in the place of a value, stands for this value.

    Raises PayloadError if the data does not fit the payload type.
    """
    fields = dict(zip(letter.fields[::2], letter.fields[1::2], strict=False))
    fields.pop(ONLY_FOR, None)
    stream = registry.find_stream(asking.bus.alias, topic)
    # A stream that nothing declares takes any data, whatever its name looks like.
    known = stream or StreamTopic("undeclared", bus=asking.bus.alias)
    reader, paths = consuming.reader(asking.bus, known, topic), consuming.redacted(asking.bus, known)
    address, flat = Address(known, topic), [part for pair in fields.items() for part in pair]
    if not paths:
        return _made(asking, address, reader, fields, data)
    try:
        before = reader.plain_data(flat)
    except RecursionError:  # nested too deeply: nothing of it can be put back
        return _made(asking, address, reader, fields, _restored(data, _MISSING, "$", topic))
    data = _restored(data, before, "$", topic)
    try:
        return _made(asking, address, reader, fields, data)
    except PayloadError as error:
        # A type's own words may quote the values that were put back.
        scrub = Redaction(paths, reader.plain_data).scrubber([(flat, None)])
        raise PayloadError(scrub(str(error)), topic=topic, path=scrub(error.path)) from None


def _made(
    asking: Asking, address: Address, reader: EntryReader, fields: Mapping[bytes, bytes], data: Any
) -> tuple[str, list[bytes | str]]:
    if b"ce_type" in fields:
        return _event(asking, address, fields, data)
    made = _foreign(fields, data)
    try:
        reader.read(b"0-1", [part.encode() for part in made])
    except UnreadableEntry as error:
        raise PayloadError(f"Stream {address.name!r}: {error}", topic=address.name) from None
    return "", [*made]


def _event(asking: Asking, address: Address, fields: Mapping[bytes, bytes], data: Any) -> tuple[str, list[bytes | str]]:
    named = {name[3:].decode(errors="replace"): value for name, value in fields.items() if name.startswith(b"ce_")}
    said = {name: text for name, value in named.items() if (text := _attribute(value))}
    if "type" not in said:
        raise PayloadError(f"{address}: the type of this event cannot be read; publish another.", topic=address.name)
    event_type, _ = address.topic.payloads.resolve(said["type"], said.get("dataschema"))
    hops = said.get("hops", "")
    before: Event[Any] = Event(
        id=said.get("id", ""),
        source=said.get("source", ""),
        type=event_type,
        data=None,
        topic=address.name,
        time_text=said.get("time"),
        traceparent=said.get("traceparent"),
        correlation_id=said.get("correlationid"),
        # Whoever corrects an event ends the circle that it may have been given up for.
        hops=min(int(hops) if hops.isdecimal() and len(hops) < 10 else 0, asking.config.max_hops - 1),
    )
    token = handling.set(before)
    try:
        message = asking.bus.message(
            address,
            data,
            type=event_type,
            key=said.get("partitionkey"),
            subject=said.get("subject"),
            time=before.time,
            extensions={name: value for name, value in said.items() if _is_extension(name)},
        )
    finally:
        handling.reset(token)
    return message.event_id, message.fields


def _foreign(fields: Mapping[bytes, bytes], data: Any) -> list[str]:
    names = [name.decode(errors="replace") for name in fields]
    if len(names) == 1 and names[0].lower().encode() in BODIES:
        return [names[0], _written(data)]
    if isinstance(data, dict) and data:
        return [part for name, value in data.items() for part in (str(name), _written(value))]
    return [DATA.decode(), _written(data)]


def _written(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=plain).decode()


def _restored(data: Any, before: Any, path: str, topic: str) -> Any:
    """Return data with the values that were hidden from who edited it."""
    if data == REDACTED and isinstance(data, str):
        if before is _MISSING:
            raise PayloadError(
                f"Stream {topic!r}: there was no hidden value at {path}: write one in the place of {REDACTED}.",
                topic=topic,
                path=path,
            )
        return before
    if isinstance(data, dict):
        known = before if isinstance(before, dict) else {}
        return {
            name: _restored(part, known.get(name, _MISSING), f"{path}.{name}", topic) for name, part in data.items()
        }
    if isinstance(data, list):
        # Of a list that has grown or shrunk nobody can say which item is which.
        items = before if isinstance(before, list) and len(before) == len(data) else [_MISSING] * len(data)
        return [_restored(part, items[at], f"{path}[{at}]", topic) for at, part in enumerate(data)]
    return data


def _attribute(raw: bytes) -> str:
    """Return an attribute that may be written again, else ""."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return ""
    return text if is_text(text) else ""


def _is_extension(name: str) -> bool:
    try:
        return bool(extension(name))
    except PayloadError:
        return False
