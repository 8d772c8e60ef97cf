"""Dead letters as JSON lines, for files: whole, redacted, and harmless in whatever opens them."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from math import isfinite
from typing import Any

from .. import consuming, registry
from ..core.envelope import DATA
from ..core.letters import Letter
from ..core.payloads import Payloads
from ..core.reading import EntryReader
from ..core.redaction import REDACTED, redact
from ..encoding import serializers
from .asking import Asking
from .showing import Showing

BYTES = "$base64"
"""The only member of an object that stands for bytes which are no text."""

# Possessive: else the engine remembers a place to go back to for each character.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
# Where a spreadsheet takes the line for values with commas, semicolons, tabs or bars between them, a text may begin
# one of them: so no text begins, or goes on behind such a character, as a formula does.
_FORMULA = re.compile(r"""(?<=["',;|\s])[=+\-@]|(?<=\\[tnr])[=+\-@]""")
_ENVELOPE = (b"content-type", b"content-encoding", DATA)


class Exporting:
    """Writes the dead letters of one stream.

    Args:
        asking: the visit.
        topic: concrete name of the stream; it need not be declared.
        payloads: whether payloads may be seen. Paths that REDACT names are hidden from everybody.
    """

    def __init__(self, asking: Asking, topic: str, *, payloads: bool) -> None:
        self._showing = Showing(asking, topic, payloads=payloads)
        self._payloads = payloads
        bus, stream = asking.bus, registry.find_stream(asking.bus.alias, topic)
        if stream is not None:
            self._reader, self._paths = consuming.reader(bus, stream, topic), consuming.redacted(bus, stream)
        else:
            known = list(serializers().values())
            self._reader = EntryReader(topic, Payloads(topic, None, 1), known, max_bytes=asking.config.max_event_bytes)
            self._paths = ()

    def line(self, dead_id: str, letter: Letter) -> str:
        """Return a dead letter as one line of JSON, in ASCII, without the line's end.

        Bytes that are no text are {"$base64": "…"}.
        """
        said = {
            "dead_id": dead_id,
            "group": _text(letter.group),
            "entry_id": _text(letter.entry_id),
            "reason": _text(letter.reason),
            "error": self._showing.error(letter.error.decode(errors="replace")),
            "traceback": _text(letter.traceback) if self._payloads else "",
            "attempts": _number(letter.attempts),
            "consumer": _text(letter.consumer),
            "first_ms": _number(letter.first),
            "last_ms": _number(letter.last),
            **self._event(dict(zip(letter.fields[::2], letter.fields[1::2], strict=False))),
        }
        try:
            line = json.dumps(said, allow_nan=False)
        except RecursionError:
            line = json.dumps(said | {"data": _text(b"".join(letter.fields[-1:])) if not self._paths else REDACTED})
        return _STRING.sub(_harmless, line)

    def _event(self, fields: Mapping[bytes, bytes]) -> dict[str, Any]:
        foreign = b"ce_type" not in fields
        found: dict[str, Any] = {"foreign": foreign}
        if not foreign:
            found["attributes"] = {
                _name(name): _text(value)
                for name, value in fields.items()
                if name.startswith(b"ce_") or name in _ENVELOPE[:2]
            }
        if not self._payloads:
            return found | {"hidden": True}
        if not foreign:
            others = {
                _name(name): _text(value)
                for name, value in fields.items()
                if not name.startswith(b"ce_") and name not in _ENVELOPE
            }
            if others:  # as much data as the data
                found["fields"] = _plain(redact(others, self._paths))
        return found | {"data": self._data(fields, foreign)}

    def _data(self, fields: Mapping[bytes, bytes], foreign: bool) -> Any:
        raw = fields.get(DATA)
        if raw is None and not foreign:
            return None
        flat = [part for pair in fields.items() for part in pair]
        try:
            data = self._reader.plain_data(flat)
            if data is not None:
                if not self._paths:
                    return _plain(data)
                return REDACTED if isinstance(data, bytes) else redact(_plain(data), self._paths)
        except (RecursionError, ValueError, TypeError):  # nested too deeply
            pass
        if raw == b"null":
            return None
        if self._paths:  # nothing can be told apart in it
            return REDACTED
        return _text(raw) if raw is not None else {_name(name): _text(value) for name, value in fields.items()}


def _plain(value: Any) -> Any:
    """Return plain values as JSON has them."""
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, bytes | bytearray):
        return _text(bytes(value))
    if isinstance(value, float) and not isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _text(raw: bytes) -> Any:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {BYTES: b64encode(raw).decode()}


def _name(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")


def _number(raw: bytes) -> int | None:
    return int(raw) if raw.isdigit() and len(raw) < 19 else None


def _harmless(found: re.Match[str]) -> str:
    return _FORMULA.sub(lambda sign: f"\\u{ord(sign[0]):04x}", found[0])
