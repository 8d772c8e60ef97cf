"""Events as lines, for people and for programs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import msgspec

from ..core.events import Event
from ..core.gaps import Gap
from ..core.redaction import redact
from ..core.telling import printable

_MEMBERS = ("topic", "id", "source", "type", "time_text", "subject", "key", "epoch", "offset")


def as_text(item: Event[Any] | Gap, redacted: Sequence[str] = ()) -> str:
    """Return one line for a person; `redacted` are the paths in the data that must not be shown."""
    if isinstance(item, Gap):
        return f"--- {printable(str(item))}"
    data = item.data
    if isinstance(data, bytes) and not redacted:
        shown = repr(data)
    elif isinstance(data, str) and not redacted:
        shown = data
    else:
        shown = _json(redact(data, redacted)).decode()
    about = [item.time_text or "-", item.topic, item.type or "-"]
    about += [f"{name}={value}" for name in ("subject", "key", "offset") if (value := getattr(item, name)) is not None]
    return printable("  ".join((*about, shown)))


def as_json(item: Event[Any] | Gap, redacted: Sequence[str] = ()) -> str:
    """Return one line of JSON."""
    if isinstance(item, Gap):
        return _json({"gap": item}).decode()
    members = {name.removesuffix("_text"): value for name in _MEMBERS if (value := getattr(item, name)) is not None}
    if item.extensions:
        members["extensions"] = item.extensions
    if item.foreign:
        members["foreign"] = True
    if isinstance(item.data, bytes) and not redacted:
        members["data_base64"] = b64encode(item.data).decode()
    else:
        members["data"] = redact(item.data, redacted)
    return _json(members).decode()


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value, enc_hook=str)
