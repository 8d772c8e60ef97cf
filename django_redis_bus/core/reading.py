"""From the fields of an entry to an Event, whoever wrote it and whatever is in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from .attributes import RESERVED, is_text
from .envelope import COMPRESSED, DATA, ONLY_FOR
from .events import Event
from .exceptions import UnreadableEntry
from .foreign import foreign_data
from .payloads import Payloads
from .policy import Reason
from .serializers import Decode, Serializer, decompress

_KNOWN = {*(f"ce_{name}".encode() for name in RESERVED), b"content-type", b"content-encoding", DATA}
# The fields that `encode` writes for an event without a cause, with the places of subject and key in the flat list:
# almost all entries are so, and need no dictionary.
_HEAD = (b"ce_specversion", b"ce_id", b"ce_source", b"ce_type", b"ce_time")
_TAIL = (b"content-type", DATA)
_USUAL = {
    (*_HEAD, *_TAIL): (0, 0),
    (*_HEAD, b"ce_subject", *_TAIL): (11, 0),
    (*_HEAD, b"ce_partitionkey", *_TAIL): (0, 11),
    (*_HEAD, b"ce_subject", b"ce_partitionkey", *_TAIL): (11, 13),
}
_TEXTS = (b"id", b"time", b"subject", b"partitionkey", b"traceparent", b"correlationid", b"causationid")
_NO_TEXT = "ce_id is empty, or an attribute holds control characters"
# Types and sources repeat; attackers' do not. So many are remembered, then none; and none that is longer than this.
_REMEMBERED = 1_000
_REMEMBERED_BYTES = 256


class _Kind(NamedTuple):
    """What is worked out once per event type on the wire."""

    type: str
    decode: Decode
    error: UnreadableEntry | None


class EntryReader:
    """Turns the entries of one stream into Events.

    Args:
        topic: concrete name of the stream.
        payloads: its payload types.
        serializers: content type -> Serializer; entries of any of them are read, whatever the bus writes.
        max_bytes: data above this (also after inflating) is refused as too large.
    """

    def __init__(self, topic: str, payloads: Payloads, serializers: Sequence[Serializer], *, max_bytes: int) -> None:
        self.topic = topic
        self.payloads = payloads
        self.max_bytes = max_bytes
        self._serializers = {s.content_type.encode(): s for s in serializers}
        self._kinds: dict[tuple[bytes | None, bytes, bytes | None], _Kind] = {}
        self._texts: dict[bytes, str] = {}

    def read(self, entry_id: bytes, flat: Sequence[bytes], attempt: int = 1) -> Event[Any]:
        """Return the Event in one entry.

        Args:
            entry_id: as Redis gave it.
            flat: alternating field and value.
            attempt: number of this delivery's run.

        Raises:
            UnreadableEntry: with the dead letter's reason.
        """
        places = _USUAL.get(tuple(flat[::2]))
        if places is None or flat[1] != b"1.0":
            return self._read_any(entry_id, flat, attempt)
        subject_at, key_at = places
        content_type, data = flat[-3], flat[-1]
        kind = self._kinds.get((content_type, flat[7], None)) or self._kind(content_type, flat[7], None)
        if len(data) > self.max_bytes:
            raise self._too_large(data)
        if kind.error is not None:
            raise kind.error.with_traceback(None)
        try:
            event_id, time_text = flat[3].decode(), flat[9].decode()
            subject = flat[subject_at].decode() if subject_at else None
            key = flat[key_at].decode() if key_at else None
        except UnicodeDecodeError as error:
            raise UnreadableEntry(Reason.UNDECODABLE, f"bad attribute: {error}") from None
        said = f"{event_id}{time_text}{subject}{key}"
        if not event_id or not (said.isprintable() or is_text(said)):
            raise UnreadableEntry(Reason.UNDECODABLE, _NO_TEXT)
        return Event(
            id=event_id,
            source=self._texts.get(flat[5]) or self._text(flat[5]),
            type=kind.type,
            data=kind.decode(data),
            topic=self.topic,
            time_text=time_text,
            subject=subject,
            key=key,
            version=self.payloads.version,
            entry_id=entry_id.decode(),
            attempt=attempt,
        )

    def _read_any(self, entry_id: bytes, flat: Sequence[bytes], attempt: int) -> Event[Any]:
        """Read an entry whose fields are not those, in that order, that almost all have."""
        if flat and flat[0] == ONLY_FOR:
            return self.read(entry_id, flat[2:], attempt)
        try:
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
        except ValueError:
            raise UnreadableEntry(Reason.UNDECODABLE, "a field without a value") from None
        raw_type = fields.get(b"ce_type")
        if raw_type is None:
            return self._foreign(entry_id, fields, attempt)
        get = fields.get
        data, content_type, schema = get(DATA), get(b"content-type"), get(b"ce_dataschema")
        if data is not None and len(data) > self.max_bytes:
            raise self._too_large(data)
        kind = self._kinds.get((content_type, raw_type, schema)) or self._kind(content_type, raw_type, schema)
        if kind.error is not None:
            raise kind.error.with_traceback(None)
        encoding = get(b"content-encoding")
        if encoding is not None and data is not None:
            data = self._inflate(encoding, data)
        if get(b"ce_specversion") != b"1.0":
            raise UnreadableEntry(Reason.UNDECODABLE, "ce_specversion is not 1.0")
        try:
            texts = {name: fields[b"ce_" + name].decode() for name in _TEXTS if b"ce_" + name in fields}
            extensions = {n[3:].decode(): fields[n].decode() for n in fields.keys() - _KNOWN if n[:3] == b"ce_"}
            hops = _count(get(b"ce_hops", b"0"))
            source = self._text(fields[b"ce_source"])
        except KeyError as error:
            raise UnreadableEntry(Reason.UNDECODABLE, f"no field {error.args[0].decode()}") from None
        except ValueError as error:  # not UTF-8, or hops that are no number
            raise UnreadableEntry(Reason.UNDECODABLE, f"bad attribute: {error}") from None
        if not is_text("".join([*texts.values(), *extensions, *extensions.values()])):
            raise UnreadableEntry(Reason.UNDECODABLE, _NO_TEXT)
        if not texts.get(b"id"):
            raise UnreadableEntry(Reason.UNDECODABLE, "no field ce_id" if b"id" not in texts else _NO_TEXT)
        return Event(
            id=texts[b"id"],
            source=source,
            type=kind.type,
            data=kind.decode(data) if data is not None else self.payloads.convert(kind.type, None),
            topic=self.topic,
            time_text=texts.get(b"time"),
            subject=texts.get(b"subject"),
            key=texts.get(b"partitionkey"),
            version=self.payloads.version,
            traceparent=texts.get(b"traceparent"),
            correlation_id=texts.get(b"correlationid"),
            causation_id=texts.get(b"causationid"),
            hops=hops,
            extensions=extensions,
            entry_id=entry_id.decode(),
            attempt=attempt,
        )

    def plain_data(self, flat: Sequence[bytes]) -> Any:
        """Return an entry's data as plain values, whatever the payload type; None if they cannot be had."""
        fields = dict(zip(flat[::2], flat[1::2], strict=False))
        fields.pop(ONLY_FOR, None)
        if sum(map(len, fields.values())) > 2 * self.max_bytes:
            return None
        if b"ce_type" not in fields:
            return foreign_data(fields)
        serializer = self._serializers.get(_media_type(fields.get(b"content-type")))
        data, encoding = fields.get(DATA), fields.get(b"content-encoding")
        if serializer is None or data is None:
            return None
        try:
            return serializer.decoder(Any)(self._inflate(encoding, data) if encoding is not None else data)
        except (UnreadableEntry, msgspec.DecodeError, UnicodeDecodeError):
            return None  # and what the error says of such bytes quotes none of them

    def _too_large(self, data: bytes) -> UnreadableEntry:
        return UnreadableEntry(Reason.TOO_LARGE, f"{len(data)} bytes of data, MAX_EVENT_BYTES is {self.max_bytes}")

    def _kind(self, content_type: bytes | None, raw_type: bytes, schema: bytes | None) -> _Kind:
        try:
            said = None if schema is None else self._text(schema)
            event_type, version = self.payloads.resolve(self._text(raw_type), said)
            kind = _Kind(event_type, self._decode(content_type, event_type, version), None)
        except UnreadableEntry as error:
            kind = _Kind("", _nothing, error)
        size = len(raw_type) + len(schema or b"") + len(content_type or b"")
        if len(self._kinds) < _REMEMBERED and size <= 3 * _REMEMBERED_BYTES:
            self._kinds[content_type, raw_type, schema] = kind
        return kind

    def _decode(self, content_type: bytes | None, event_type: str, version: int) -> Decode:
        base = _media_type(content_type)
        serializer = self._serializers.get(base)
        if serializer is not None:
            return self.payloads.decoder(event_type, version, serializer)
        if base == b"text/plain":
            return lambda data: self.payloads.convert(event_type, _decoded(data))
        if base == b"application/octet-stream":
            return lambda data: self.payloads.convert(event_type, data)
        raise UnreadableEntry(Reason.UNDECODABLE, f"content-type {base[:100]!r} is not one this bus reads")

    def _text(self, raw: bytes) -> str:
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise UnreadableEntry(Reason.UNDECODABLE, f"an attribute is not UTF-8: {error.reason}") from None
        if not text or not is_text(text):
            raise UnreadableEntry(Reason.UNDECODABLE, "an attribute is empty or holds control characters")
        if len(self._texts) < _REMEMBERED and len(raw) <= _REMEMBERED_BYTES:
            self._texts[raw] = text
        return text

    def _inflate(self, encoding: bytes, data: bytes) -> bytes:
        if encoding != COMPRESSED.encode():
            raise UnreadableEntry(Reason.UNDECODABLE, f"content-encoding {encoding[:40]!r} is not one this bus reads")
        try:
            return decompress(data, limit_bytes=self.max_bytes)
        except OverflowError as error:
            raise UnreadableEntry(Reason.TOO_LARGE, str(error)) from None
        except ValueError as error:
            raise UnreadableEntry(Reason.UNDECODABLE, f"compressed data: {error}") from None

    def _foreign(self, entry_id: bytes, fields: dict[bytes, bytes], attempt: int) -> Event[Any]:
        if not fields:
            raise UnreadableEntry(Reason.UNDECODABLE, "an entry without fields")
        size = sum(map(len, fields)) + sum(map(len, fields.values()))
        if size > self.max_bytes:
            raise UnreadableEntry(Reason.TOO_LARGE, f"{size} bytes of fields, MAX_EVENT_BYTES is {self.max_bytes}")
        data = foreign_data(fields)
        said = data.get("type") if isinstance(data, dict) else None
        event_type = said if isinstance(said, str) and is_text(said) else ""
        text_id = entry_id.decode()
        return Event(
            id=text_id,
            source="",
            type=event_type,
            data=self.payloads.convert(event_type, data),
            topic=self.topic,
            version=self.payloads.version,
            foreign=True,
            entry_id=text_id,
            attempt=attempt,
        )


def _media_type(content_type: bytes | None) -> bytes:
    return (content_type or b"application/json").partition(b";")[0].strip().lower()


def _count(raw: bytes) -> int:
    if not raw.isdigit() or len(raw) > 9:
        raise ValueError("ce_hops is no number")
    return int(raw)


def _nothing(data: bytes) -> None:
    return None


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UnreadableEntry(Reason.UNDECODABLE, f"text/plain: {error}") from None
