"""Entries as lines, for people and for programs."""

from __future__ import annotations

import json
from typing import Any

from ..operations.showing import DATA_CHARS, Shown

LINE_CHARS = 2_000
"""So much of the data is shown to a person."""
_NAMES = ("source", "type", "time", "subject", "key", "trouble")


def as_text(shown: Shown) -> str:
    """Return one line for a person."""
    at = shown.at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if shown.at is not None else "-"
    about = [at, shown.entry_id, shown.type or "-"]
    about += [f"{what}={value}" for what in ("key", "subject") if (value := getattr(shown, what))]
    if shown.foreign:
        about.append("foreign")
    if shown.trouble:
        about.append(f"[{shown.trouble}]")
    if shown.data is not None:
        data = " ".join(line.strip() for line in shown.data.splitlines())
        about.append(data if len(data) <= LINE_CHARS else f"{data[: LINE_CHARS - 1]}…")
    return "  ".join(about)


def as_json(shown: Shown) -> str:
    """Return one line of JSON; what the entry does not say is left out."""
    members: dict[str, Any] = {"entry_id": shown.entry_id}
    if shown.at is not None:
        members["at"] = shown.at.isoformat()
    if shown.event_id:
        members["id"] = shown.event_id
    members |= {name: value for name in _NAMES if (value := getattr(shown, name))}
    if shown.attributes:
        members["attributes"] = dict(shown.attributes)
    if shown.foreign:
        members["foreign"] = True
    if shown.data is not None:
        members["data"] = _data(shown.data)
    return json.dumps(members | {"size": shown.size})


def _data(text: str) -> Any:
    """Return the data as values if it is JSON, and whole."""
    if len(text) >= DATA_CHARS:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
