"""Where a long list ends just now: what people are asked about must not grow while they read the question."""

from __future__ import annotations

from typing import Any

from ..core.exceptions import GroupMissing
from .asking import Asking


def newest_dead(asking: Asking, topic: str) -> str:
    """Return the id of the newest dead letter that a stream has had, "" if it never had one. Raises BusError."""
    try:
        told = _pairs(asking.call("XINFO", "STREAM", asking.keys(topic).dead))
    except GroupMissing:  # no such key
        return ""
    return str(told[b"last-generated-id"].decode())


def newest_read(asking: Asking, topic: str, group: str) -> str:
    """Return the last id that a group has read, "" if there is no such group. Raises BusError."""
    try:
        groups = asking.call("XINFO", "GROUPS", asking.key(topic))
    except GroupMissing:
        return ""
    name = group.encode(errors="replace")
    return next((str(told[b"last-delivered-id"].decode()) for told in map(_pairs, groups) if told[b"name"] == name), "")


def _pairs(flat: list[Any]) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
