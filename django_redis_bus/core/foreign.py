"""Entries that no bus wrote: an XADD by hand, another program's fields. Whatever they hold becomes data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

# A single field of such a name holds the whole message.
BODIES = {b"data", b"payload", b"body", b"message", b"value", b"json", b"event"}
"""Fields that hold the whole message, if they stand alone."""


def foreign_data(fields: Mapping[bytes, bytes]) -> Any:
    """Return what the fields say: the one body, as JSON if it is JSON, else as text or bytes; or a dict of texts."""
    if len(fields) == 1:
        [(name, value)] = fields.items()
        if name.lower() in BODIES:
            return _guess(value)
    return {_name(field): _lenient(value) for field, value in fields.items()}


def _guess(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _lenient(raw)


def _name(raw: bytes) -> str:
    text = _lenient(raw)
    return text if isinstance(text, str) else repr(raw)


def _lenient(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw
