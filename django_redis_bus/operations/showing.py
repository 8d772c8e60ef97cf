"""One entry of a stream as a person may see it: decoded, redacted, escaped of what a terminal would obey, capped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from django.utils.translation import gettext as _

from .. import consuming, registry
from ..core.attributes import split_version
from ..core.envelope import DATA, ONLY_FOR
from ..core.exceptions import UnreadableEntry
from ..core.payloads import Payloads
from ..core.policy import Reason
from ..core.reading import EntryReader
from ..core.redaction import REDACTED, Redaction, redact
from ..core.telling import printable
from ..core.topics import StreamTopic
from ..encoding import serializers
from .asking import Asking

DATA_CHARS = 20_000
"""So much of the data is shown."""
TEXT_CHARS = 500
"""So much of an attribute."""
ATTRIBUTES = 100
"""So many of them."""
NO_MOMENT_MS = 1_000_000_000_000
"""Ids below this (2001) are numbers that somebody has given, and no moments."""
_NAMED = {
    b"ce_id": "event_id",
    b"ce_type": "type",
    b"ce_source": "source",
    b"ce_subject": "subject",
    b"ce_partitionkey": "key",
    b"ce_time": "time",
}
_PLAIN = {b"content-type", b"content-encoding", ONLY_FOR}
_CLASS = re.compile(r"((?:[A-Za-z_]\w{0,100}\.){0,10}[A-Z]\w{0,100})(?::|\Z)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An entry as it is shown. No text in it holds control characters, or is longer than it may be.

    Attributes:
        entry_id: of the stream.
        at: when it was added, by its id; None for an id that is no moment.
        event_id, type, source, subject, key, time: as the entry says; "" where it does not.
        attributes: everything else that it says, name and value, in its order: content type, trace, extensions.
        data: the payload as indented JSON, as text, or as repr of bytes; None if it may not be seen, or is not there.
        hidden: it may not be seen by who asks.
        trouble: why it cannot be read, as a consumer would say; "" if it can.
        foreign: no bus wrote it.
        size: bytes of its names and values.
    """

    entry_id: str
    at: datetime | None
    event_id: str = ""
    type: str = ""
    source: str = ""
    subject: str = ""
    key: str = ""
    time: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    data: str | None = None
    hidden: bool = False
    trouble: str = ""
    foreign: bool = False
    size: int = 0


class Showing:
    """Shows the entries of one stream.

    Args:
        asking: the visit.
        topic: concrete name of the stream; it need not be declared.
        payloads: whether who asks may see payloads. Paths that REDACT names are hidden from everybody.
    """

    def __init__(self, asking: Asking, topic: str, *, payloads: bool) -> None:
        self.topic = topic
        self.payloads = payloads
        self.stream: StreamTopic | None = registry.find_stream(asking.bus.alias, topic)
        if self.stream is not None:
            self._reader = consuming.reader(asking.bus, self.stream, topic)
            self._paths = consuming.redacted(asking.bus, self.stream)
        else:
            known = list(serializers().values())
            self._reader = EntryReader(topic, Payloads(topic, None, 1), known, max_bytes=asking.config.max_event_bytes)
            self._paths = ()
        self._redaction = Redaction(self._paths, self._reader.plain_data)

    def shown(self, entry_id: bytes, flat: Sequence[bytes]) -> Shown:
        """Return an entry as it may be shown."""
        fields = dict(zip(flat[::2], flat[1::2], strict=False))
        foreign = b"ce_type" not in fields
        said = {name: _text(fields[field]) for field, name in _NAMED.items() if field in fields}
        data = self._data(fields).text if self.payloads else None
        if foreign:
            said["type"] = _text(self._type(fields).encode(errors="replace"))
        return Shown(
            entry_id=printable(entry_id.decode(errors="replace")),
            at=_moment(entry_id),
            attributes=tuple(self._attributes(fields, foreign)),
            data=None if data is None else capped(data, DATA_CHARS, keep="\n\t"),
            hidden=not self.payloads,
            trouble=self._trouble(entry_id, flat),
            foreign=foreign,
            size=sum(map(len, flat)),
            **said,
        )

    def matches(self, flat: Sequence[bytes], *, type: str = "", key: str = "", text: str = "") -> bool:
        """Return whether an entry is looked for.

        Args:
            type, key: exactly these; "" for any.
            text: is somewhere in it, whatever the case of its letters; what must not be seen is not searched.
        """
        fields = dict(zip(flat[::2], flat[1::2], strict=False))
        foreign = b"ce_type" not in fields
        if type:
            known = self._type(fields)
            if type not in (known, split_version(known)[0]):
                return False
        if key and fields.get(b"ce_partitionkey", b"").decode(errors="replace") != key:
            return False
        return not text or self._holds(fields, foreign, text)

    def error(self, text: str) -> str:
        """Return what a failed handler said, as far as who asks may see it: without payloads only the error's class."""
        if self.payloads:
            return capped(text, DATA_CHARS)
        return class_of(text) or (_("The handler failed.") if text else "")

    def _holds(self, fields: dict[bytes, bytes], foreign: bool, text: str) -> bool:
        wanted = text.casefold()
        texts = [fields[name].decode(errors="replace") for name in _NAMED if name in fields]
        texts += [value for _, value in self._attributes(fields, foreign)]
        if foreign:
            texts.append(self._type(fields))
        if any(wanted in each.casefold() for each in texts):
            return True
        if not self.payloads:
            return False
        found = self._data(fields, indent=0)
        return found.text is not None and (
            wanted in found.text.casefold() or any(wanted in each.casefold() for each in _leaves(found.value))
        )

    def _attributes(self, fields: dict[bytes, bytes], foreign: bool) -> Iterator[tuple[str, str]]:
        """Yield what an entry says of itself beside the attributes that have a place of their own."""
        extra = [name for name in fields if self._is_attribute(name, foreign)]
        for name in extra[:ATTRIBUTES]:
            said = _text(fields[name])
            if not name.startswith(b"ce_") and name not in _PLAIN:  # of no bus: it is as much data as the data
                said = str(redact({name.decode(errors="replace"): said}, self._paths).popitem()[1])
            yield _text(name).removeprefix("ce_"), said
        if len(extra) > ATTRIBUTES:
            yield "…", f"{len(extra) - ATTRIBUTES:,} more"

    def _is_attribute(self, name: bytes, foreign: bool) -> bool:
        if foreign:
            return name == ONLY_FOR
        if name in _NAMED or name in (DATA, b"ce_specversion"):
            return False
        return self.payloads or name.startswith(b"ce_") or name in _PLAIN

    def _data(self, fields: dict[bytes, bytes], indent: int = 2) -> _Data:
        """Return the data with what is redacted replaced."""
        raw, foreign = fields.get(DATA), b"ce_type" not in fields
        if raw is None and not foreign:
            return _NONE
        try:
            value = self._reader.plain_data(_flat(fields))
            if value is None and (foreign or raw != b"null"):
                return self._unread(raw)
            value = redact(_readable(value), self._paths)
            if isinstance(value, str):
                return _Data(value, value)
            text = msgspec.json.encode(value)
            return _Data((msgspec.json.format(text, indent=indent) if indent else text).decode(), value)
        except (RecursionError, ValueError, TypeError):  # nested too deeply; texts that are none
            return self._unread(raw)

    def _unread(self, raw: bytes | None) -> _Data:
        if raw is None:
            return _Data("(too much to be shown)", None)
        if self._paths:  # nothing can be told apart in it
            return _Data(REDACTED, None)
        try:
            return _Data(raw.decode(), None)
        except UnicodeDecodeError:
            return _Data(repr(raw[:DATA_CHARS]), None)

    def _type(self, fields: dict[bytes, bytes]) -> str:
        """Return the type of an entry, as its reader would take it."""
        if b"ce_type" in fields:
            return fields[b"ce_type"].decode(errors="replace")
        try:
            data = redact(_readable(self._reader.plain_data(_flat(fields))), self._paths)
        except (RecursionError, ValueError, TypeError):
            return ""
        said = data.get("type") if isinstance(data, dict) else None
        return said if isinstance(said, str) else ""

    def _trouble(self, entry_id: bytes, flat: Sequence[bytes]) -> str:
        try:
            self._reader.read(entry_id, flat)
        except UnreadableEntry as error:
            if error.reason == Reason.INVALID_PAYLOAD and not self.payloads:  # a type's own words may quote the data
                return str(error.reason)
            said = self._redaction.scrubber([(flat, None)])(str(error)) if self._paths else str(error)
            return printable(f"{error.reason}: {said}")[:TEXT_CHARS]
        except Exception as error:  # the code of a payload type
            return f"{Reason.INVALID_PAYLOAD}: {type(error).__name__}"
        return ""


class _Data(NamedTuple):
    """Data as text, and as plain values; None if there is none."""

    text: str | None
    value: Any


_NONE = _Data(None, None)


def class_of(error: str) -> str:
    """Return the class that an error's text begins with, which says nothing of a payload; "" if it names none."""
    found = _CLASS.match(error)
    return found[1] if found else ""


def capped(text: str, most: int, keep: str = "") -> str:
    """Return the beginning of a text, printable but for the characters in `keep`."""
    return printable(text, keep) if len(text) <= most else f"{printable(text[: most - 1], keep)}…"


def _text(raw: bytes) -> str:
    return capped(raw[: 4 * TEXT_CHARS].decode(errors="replace"), TEXT_CHARS)


def _flat(fields: dict[bytes, bytes]) -> list[bytes]:
    return [part for name, value in fields.items() if name != ONLY_FOR for part in (name, value)]


def _readable(value: Any) -> Any:
    """Return what a foreign entry says with bytes as they are written in code: JSON has none."""
    if isinstance(value, bytes):
        return repr(value)
    if isinstance(value, dict):
        return {name: repr(part) if isinstance(part, bytes) else part for name, part in value.items()}
    return value


def _leaves(value: Any) -> Iterator[str]:
    """Yield the texts in plain values: in JSON some of their characters are escaped."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield str(name)
            yield from _leaves(part)
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part)


def _moment(entry_id: bytes) -> datetime | None:
    try:
        ms = int(entry_id.partition(b"-")[0])
        return datetime.fromtimestamp(ms / 1000, UTC) if ms >= NO_MOMENT_MS else None
    except (ValueError, OverflowError, OSError):
        return None
