"""A channel's message on the wire: CloudEvents 1.0, structured mode, as JSON; or whatever another program published.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from __future__ import annotations

import os
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from .attributes import attribute, extension, is_text
from .causation import Cause
from .events import Event
from .exceptions import UnreadableEntry
from .payloads import Payloads
from .policy import Reason
from .serializers import Decode, json_serializer, plain

START = b'{"specversion":"1.0",'
"""How each message begins that a bus has published."""
PRESENCE = "bus.presence."
"""Types that the relay publishes, beside what the project does: who comes and goes. Their data is the relay's."""
_JSON = json_serializer(plain)
_ANYTHING = Payloads("", None, 1)
_encode = msgspec.json.Encoder().encode
# What Redis has appended (lua/cast.lua). Quotes within data are escaped, and objects within it end in two braces.
_PLACE = re.compile(rb',"epoch":"(\w{1,64})","offset":"(\d{1,19}-\d{1,19})"\}\Z')
_PLACE_BYTES = 160
_TEXT = rb'"(?:[^"\\]|\\.)*+"'
_PRESENT = re.compile(rb'\{"specversion":"1\.0","id":' + _TEXT + rb',"source":' + _TEXT + rb',"type":"bus\.presence\.')
# Types come from the wire, and there may be any number of them: so many are remembered, and none that is longer.
_REMEMBERED = 1_000
_REMEMBERED_CHARACTERS = 256


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    """What almost all messages hold and nothing else."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    time: str | None = None
    subject: str | None = None
    partitionkey: str | None = None
    dataschema: str | None = None
    traceparent: str | None = None
    correlationid: str | None = None
    causationid: str | None = None
    hops: int = 0
    datacontenttype: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    data_base64: str | None = None
    ephemeral: bool = False
    epoch: str | None = None
    offset: str | None = None


class _Loose(_Wire, forbid_unknown_fields=False):
    """The same with extensions."""


_decode = msgspec.json.Decoder(_Wire).decode
_decode_loose = msgspec.json.Decoder(_Loose).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Place(NamedTuple):
    """Where a message stands in the history of its channel."""

    epoch: str
    offset: str


def encode_live(
    *,
    event_id: str,
    source: str,
    event_type: str,
    time_text: str,
    data: bytes,
    subject: str | None = None,
    key: str | None = None,
    schema: str | None = None,
    cause: Cause | None = None,
    traceparent: str | None = None,
    extensions: Mapping[str, str] | None = None,
    ephemeral: bool = False,
) -> bytes:
    """Return one message as JSON. Raises PayloadError for attributes that are none.

    Args:
        data: JSON.
    """
    members: dict[str, Any] = {
        "specversion": "1.0", "id": event_id, "source": source, "type": event_type, "time": time_text,
    }  # fmt: skip
    if subject is not None:
        members["subject"] = attribute("subject", subject)
    if key is not None:
        members["partitionkey"] = attribute("key", key)
    if schema is not None:
        members["dataschema"] = schema
    if traceparent is not None:
        members["traceparent"] = traceparent
    if cause is not None:
        if cause.correlation_id is not None:
            members["correlationid"] = cause.correlation_id
        if cause.causation_id is not None:
            members["causationid"] = cause.causation_id
        members["hops"] = cause.hops
    if extensions:
        for name, value in extensions.items():
            members[extension(name)] = attribute(name, value)
    members["datacontenttype"] = "application/json"
    members["data"] = msgspec.Raw(data)
    if ephemeral:
        members["ephemeral"] = True
    return _encode(members)


def offset_of(raw: bytes) -> Place | None:
    """Return where a message stands in its history, without decoding it; None if it is not kept."""
    found = _PLACE.search(raw, max(0, len(raw) - _PLACE_BYTES)) if raw.startswith(START) else None
    return Place(found[1].decode(), found[2].decode()) if found else None


def is_presence(raw: bytes) -> bool:
    """Return whether the relay tells with this message who comes or goes, without decoding it."""
    return b'"type":"bus.presence.' in raw and _PRESENT.match(raw) is not None


def as_json(raw: bytes) -> bytes:
    """Return a message as the one line of JSON that a browser gets: as it is, or what is foreign, wrapped."""
    try:
        raw.decode()  # the decoder does not look at what it skips
        _decode_loose(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _wrapped(raw)
    return msgspec.json.format(raw, indent=-1) if b"\n" in raw or b"\r" in raw else raw


def foreign_value(raw: bytes) -> Any:
    """Return what another program published: a JSON value, else text, else bytes."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw


class LiveReader:
    """Turns the messages of the channels of one declaration into Events.

    Args:
        payloads: its payload types.
        max_bytes: data above this is refused as too large.
    """

    def __init__(self, payloads: Payloads, *, max_bytes: int) -> None:
        self.payloads = payloads
        self.max_bytes = max_bytes
        self._kinds: dict[tuple[str, str | None], tuple[str, Decode]] = {}

    def read(self, name: str, raw: bytes) -> Event[Any]:
        """Return the Event in one message.

        Args:
            name: of the concrete channel, without the key prefix.
            raw: what was published.

        Raises UnreadableEntry for data that does not fit the payload type, and for what is too large.
        """
        extensions: dict[str, str] = {}
        try:
            wire = _decode(raw)
        except msgspec.ValidationError:
            try:
                wire = _decode_loose(raw)
                extensions = _extensions(raw)
            except (msgspec.DecodeError, UnicodeDecodeError):
                return self._foreign(name, raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._foreign(name, raw)
        if len(raw) > self.max_bytes and max(len(wire.data), len(wire.data_base64 or "")) > self.max_bytes:
            raise self._too_large(len(raw))
        event_type, decode = self._kinds.get((wire.type, wire.dataschema)) or self._kind(wire.type, wire.dataschema)
        said = f"{wire.id}{wire.source}{wire.type}{wire.time}{wire.subject}{wire.partitionkey}"
        if not (wire.id and wire.source and wire.type) or not (said.isprintable() or is_text(said)):
            raise UnreadableEntry(Reason.UNDECODABLE, "an attribute is empty or holds control characters")
        if len(wire.data):
            data = decode(wire.data)
        else:
            data = self.payloads.convert(event_type, _binary(wire.data_base64))
        return Event(
            id=wire.id,
            source=wire.source,
            type=event_type,
            data=data,
            topic=name,
            time_text=wire.time,
            subject=wire.subject,
            key=wire.partitionkey,
            version=self.payloads.version,
            traceparent=wire.traceparent,
            correlation_id=wire.correlationid,
            causation_id=wire.causationid,
            hops=wire.hops,
            extensions=extensions,
            offset=wire.offset,
            epoch=wire.epoch,
            ephemeral=wire.ephemeral,
        )

    def _kind(self, raw_type: str, schema: str | None) -> tuple[str, Decode]:
        payloads = _ANYTHING if raw_type.startswith(PRESENCE) else self.payloads
        event_type, version = payloads.resolve(raw_type, schema)
        kind = (event_type, payloads.decoder(event_type, version, _JSON))
        if len(self._kinds) < _REMEMBERED and len(raw_type) + len(schema or "") <= _REMEMBERED_CHARACTERS:
            self._kinds[raw_type, schema] = kind
        return kind

    def _foreign(self, name: str, raw: bytes) -> Event[Any]:
        if len(raw) > self.max_bytes:
            raise self._too_large(len(raw))
        # A keyspace notification is the name of a key or of a command, even if it looks like a number.
        data = raw.decode(errors="replace") if name.startswith("__key") else foreign_value(raw)
        said = data.get("type") if isinstance(data, dict) else None
        event_type = said if isinstance(said, str) and is_text(said) else ""
        return Event(
            id=os.urandom(16).hex(),
            source="",
            type=event_type,
            data=self.payloads.convert(event_type, data),
            topic=name,
            version=self.payloads.version,
            foreign=True,
        )

    def _too_large(self, size: int) -> UnreadableEntry:
        return UnreadableEntry(Reason.TOO_LARGE, f"a message of {size} bytes, MAX_EVENT_BYTES is {self.max_bytes}")


def _extensions(raw: bytes) -> dict[str, str]:
    found = {}
    for name, value in _decode_members(raw).items():
        if name not in _Wire.__struct_fields__:
            read = msgspec.json.decode(value)
            found[name] = read if isinstance(read, str) else bytes(value).decode()
    return found


def _binary(encoded: str | None) -> bytes | None:
    if encoded is None:
        return None
    try:
        return b64decode(encoded, validate=True)
    except ValueError:
        raise UnreadableEntry(Reason.UNDECODABLE, "data_base64 is no base64") from None


def _wrapped(raw: bytes) -> bytes:
    value = foreign_value(raw)
    said = value.get("type") if isinstance(value, dict) else None
    members: dict[str, Any] = {
        "specversion": "1.0",
        "id": os.urandom(16).hex(),
        "source": "",
        "type": said if isinstance(said, str) and is_text(said) else "",
    }
    if isinstance(value, bytes):
        members["data_base64"] = b64encode(value).decode()
    else:
        members |= {"datacontenttype": "application/json", "data": value}
    return _encode(members | {"foreign": True})
