"""The entry on the wire: CloudEvents 1.0, binary mode, as a stream entry's fields.

Field names follow the Kafka protocol binding (`ce_id`, `content-type`); the data stands in the field `data`.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from .causation import Cause
from .events import Event
from .exceptions import PayloadError, UnreadableEntry
from .payloads import Payloads
from .policy import Reason
from .serializers import Decode, Serializer, decompress

SPEC_VERSION = "1.0"
DATA = b"data"
# RFC 9110, 8.4.1.2: what HTTP calls "deflate" is the zlib format.
COMPRESSED = "deflate"
# Attribute names are lower-case letters and digits (CloudEvents 1.0.2, "Attribute naming convention").
_ATTRIBUTE = re.compile(r"[a-z0-9]{1,40}")
_VERSION = re.compile(r"[.:/#]v(\d{1,9})$")
# A foreign entry with one field of such a name holds the whole message in it.
_BODY_FIELDS = {b"data", b"payload", b"body", b"message", b"value", b"json", b"event"}
_KNOWN = {
    b"ce_specversion", b"ce_id", b"ce_source", b"ce_type", b"ce_time", b"ce_subject", b"ce_partitionkey",
    b"ce_dataschema", b"ce_traceparent", b"ce_correlationid", b"ce_causationid", b"ce_hops",
    b"content-type", b"content-encoding", DATA,
}  # fmt: skip
# Types and sources repeat; attackers' do not. So many are remembered, then none.
_REMEMBERED = 1_000


def dataschema(topic: str, version: int) -> str:
    """Return the `dataschema` URI that names a schema version: "bus:events:order:v2"."""
    return f"bus:{topic}:v{version}"


def attribute(name: str, value: str) -> str:
    """Return a CloudEvents attribute value if it is one.

    Raises PayloadError when it is empty or holds control characters, which the specification forbids.
    """
    if not value or not value.isprintable():
        raise PayloadError(f"The event's {name} must be printable text and not empty.", path=name)
    return value


def encode(
    *,
    event_id: str,
    source: str,
    event_type: str,
    time_text: str,
    content_type: str,
    data: bytes,
    subject: str | None = None,
    key: str | None = None,
    schema: str | None = None,
    compressed: bool = False,
    cause: Cause | None = None,
    traceparent: str | None = None,
    extensions: Mapping[str, str] | None = None,
) -> list[bytes | str]:
    """Return the fields of one entry, flat. The same order each time: Redis stores repeated field names once."""
    fields: list[bytes | str] = [
        "ce_specversion", SPEC_VERSION, "ce_id", event_id, "ce_source", source, "ce_type", event_type,
        "ce_time", time_text,
    ]  # fmt: skip
    if subject is not None:
        fields += ("ce_subject", attribute("subject", subject))
    if key is not None:
        fields += ("ce_partitionkey", attribute("key", key))
    if schema is not None:
        fields += ("ce_dataschema", schema)
    if traceparent is not None:
        fields += ("ce_traceparent", traceparent)
    if cause is not None:
        fields += ("ce_correlationid", cause.correlation_id or "", "ce_causationid", cause.causation_id or "")
        fields += ("ce_hops", str(cause.hops))
    if extensions:
        for name, value in extensions.items():
            if not _ATTRIBUTE.fullmatch(name) or f"ce_{name}".encode() in _KNOWN:
                raise PayloadError(
                    f"{name!r} is no name for an extension: lower-case letters and digits that no attribute uses.",
                    path=name,
                )
            fields += (f"ce_{name}", attribute(name, value))
    fields += ("content-type", content_type)
    if compressed:
        fields += ("content-encoding", COMPRESSED)
    fields += (DATA, data)
    return fields


class _Kind(NamedTuple):
    """What is worked out once per event type on the wire."""

    type: str
    version: int
    decode: Decode | None
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
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        raw_type = fields.get(b"ce_type")
        if raw_type is None:
            return self._foreign(entry_id, fields, attempt)
        get = fields.get
        data = get(DATA, b"")
        if len(data) > self.max_bytes:
            raise UnreadableEntry(Reason.TOO_LARGE, f"{len(data)} bytes of data, MAX_EVENT_BYTES is {self.max_bytes}")
        kind = self._kinds.get((get(b"content-type"), raw_type, get(b"ce_dataschema"))) or self._kind(fields, raw_type)
        if kind.error is not None:
            raise kind.error.with_traceback(None)
        encoding = get(b"content-encoding")
        if encoding is not None:
            data = self._inflate(encoding, data)
        if get(b"ce_specversion") != b"1.0":
            raise UnreadableEntry(Reason.UNDECODABLE, "ce_specversion is not 1.0")
        try:
            event_id = fields[b"ce_id"].decode()
            raw_source = fields[b"ce_source"]
            source = self._texts.get(raw_source) or self._text(raw_source)
            subject, key, time = get(b"ce_subject"), get(b"ce_partitionkey"), get(b"ce_time")
            if len(fields) > 7 and (extras := fields.keys() - _KNOWN):
                extensions = {name[3:].decode(): fields[name].decode() for name in extras if name[:3] == b"ce_"}
            else:
                extensions = {}
            hops = get(b"ce_hops")
            event = Event(
                id=event_id,
                source=source,
                type=kind.type,
                data=kind.decode(data) if kind.decode is not None else None,
                topic=self.topic,
                time_text=None if time is None else time.decode(),
                subject=None if subject is None else subject.decode(),
                key=None if key is None else key.decode(),
                version=kind.version,
                traceparent=_optional(get(b"ce_traceparent")),
                correlation_id=_optional(get(b"ce_correlationid")),
                causation_id=_optional(get(b"ce_causationid")),
                hops=0 if hops is None else int(hops),
                extensions=extensions,
                entry_id=entry_id.decode(),
                attempt=attempt,
            )
        except KeyError as error:
            raise UnreadableEntry(Reason.UNDECODABLE, f"no field {error.args[0].decode()}") from None
        except ValueError as error:  # not UTF-8, or hops that are no number
            raise UnreadableEntry(Reason.UNDECODABLE, f"bad attribute: {error}") from None
        if not event_id.isprintable() or not event_id:
            raise UnreadableEntry(Reason.UNDECODABLE, "ce_id is empty or holds control characters")
        return event

    def _kind(self, fields: Mapping[bytes, bytes], raw_type: bytes) -> _Kind:
        content_type, schema = fields.get(b"content-type"), fields.get(b"ce_dataschema")
        try:
            event_type = self._text(raw_type)
            version = 1
            if schema is not None:
                found = _VERSION.search(self._text(schema))
                version = int(found[1]) if found else 1
            elif suffix := _VERSION.search(event_type):
                event_type, version = event_type[: suffix.start()], int(suffix[1])
            kind = _Kind(event_type, version, self._decode(content_type, event_type, version), None)
        except UnreadableEntry as error:
            kind = _Kind("", 1, None, error)
        if len(self._kinds) < _REMEMBERED:
            self._kinds[content_type, raw_type, schema] = kind
        return kind

    def _decode(self, content_type: bytes | None, event_type: str, version: int) -> Decode:
        base = (content_type or b"application/json").partition(b";")[0].strip().lower()
        serializer = self._serializers.get(base)
        if serializer is not None:
            return self.payloads.decoder(event_type, version, serializer)
        if base == b"text/plain":
            return lambda data: self.payloads.convert(event_type, data.decode())
        if base == b"application/octet-stream":
            return lambda data: self.payloads.convert(event_type, data)
        raise UnreadableEntry(Reason.UNDECODABLE, f"content-type {base[:100]!r} is not one this bus reads")

    def _text(self, raw: bytes) -> str:
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise UnreadableEntry(Reason.UNDECODABLE, f"an attribute is not UTF-8: {error.reason}") from None
        if not text or not text.isprintable():
            raise UnreadableEntry(Reason.UNDECODABLE, "an attribute is empty or holds control characters")
        if len(self._texts) < _REMEMBERED and len(raw) <= 256:
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
        size = sum(map(len, fields)) + sum(map(len, fields.values()))
        if size > self.max_bytes:
            raise UnreadableEntry(Reason.TOO_LARGE, f"{size} bytes of fields, MAX_EVENT_BYTES is {self.max_bytes}")
        name = next(iter(fields), b"")
        if len(fields) == 1 and name.lower() in _BODY_FIELDS:
            data = _guess(fields[name])
        else:
            data = {_lenient(n) if isinstance(_lenient(n), str) else repr(n): _lenient(v) for n, v in fields.items()}
        said = data.get("type") if isinstance(data, dict) else None
        event_type = said if isinstance(said, str) and said.isprintable() else ""
        text_id = entry_id.decode()
        return Event(
            id=text_id,
            source="",
            type=event_type,
            data=self.payloads.convert(event_type, data),
            topic=self.topic,
            foreign=True,
            entry_id=text_id,
            attempt=attempt,
        )


def _optional(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode()


def _lenient(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _guess(raw: bytes) -> Any:
    """JSON if it is JSON, else text, else bytes."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return _lenient(raw)


def key_of(flat: Sequence[bytes]) -> bytes | None:
    """Return the ordering key in an entry's flat fields, None if it has none."""
    try:
        at = flat.index(b"ce_partitionkey")
    except ValueError:
        return None
    return flat[at + 1] if at % 2 == 0 else None
