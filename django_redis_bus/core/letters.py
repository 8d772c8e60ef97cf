"""A dead letter on the wire: what is said of an entry, at fixed places, and then the entry itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NAMES = (
    b"dead_group", b"dead_entry", b"dead_reason", b"dead_error", b"dead_traceback", b"dead_attempts", b"dead_consumer",
    b"dead_first", b"dead_last",
)  # fmt: skip
"""What every dead letter begins with, as dead.lua writes it."""
PACKED = b"dead_packed"
HEAD = 2 * len(NAMES)
"""So many names and values are said of an entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter's parts, as bytes; any of them may be hostile.

    Attributes:
        fields: of the entry, alternating field and value; empty if they cannot be told.
    """

    group: bytes = b""
    entry_id: bytes = b""
    reason: bytes = b""
    error: bytes = b""
    traceback: bytes = b""
    attempts: bytes = b""
    consumer: bytes = b""
    first: bytes = b""
    last: bytes = b""
    fields: Sequence[bytes]


def letter_of(flat: Sequence[bytes]) -> Letter:
    """Return the dead letter in the fields of an entry of the stream of dead letters.

    They are read by their places: what the entry says of itself may have any name. An entry that somebody else put
    there says nothing, and is all fields.
    """
    if tuple(flat[:HEAD:2]) != NAMES or len(flat) < HEAD:
        return Letter(fields=flat)
    group, entry_id, reason, error, traceback, attempts, consumer, first, last = flat[1:HEAD:2]
    fields: Sequence[bytes] = flat[HEAD:]
    if len(fields) == 2 and fields[0] == PACKED:
        fields = unpacked(fields[1])
    return Letter(
        group=group, entry_id=entry_id, reason=reason, error=error, traceback=traceback, attempts=attempts,
        consumer=consumer, first=first, last=last, fields=fields,
    )  # fmt: skip


def unpacked(raw: bytes) -> list[bytes]:
    """Return the texts in a MessagePack array of texts, [] if it is none.

    Lua packs every string as text, whatever is in it; a decoder of MessagePack insists on UTF-8 there.
    https://github.com/msgpack/msgpack/blob/master/spec.md
    """
    try:
        count, at = _head(raw, 0, 0x90, 0x0F, {0xDC: 2, 0xDD: 4})
        found = []
        for _ in range(min(count, len(raw))):
            size, at = _head(raw, at, 0xA0, 0x1F, {0xD9: 1, 0xDA: 2, 0xDB: 4})
            if at + size > len(raw):
                return []
            found.append(raw[at : at + size])
            at += size
    except (IndexError, ValueError):
        return []
    return found if at == len(raw) else []


def _head(raw: bytes, at: int, fixed: int, most: int, sizes: dict[int, int]) -> tuple[int, int]:
    """Return the number in the head of an array or a text, and where the head ends. Raises ValueError, IndexError."""
    kind = raw[at]
    if kind & ~most == fixed:
        return kind & most, at + 1
    if kind not in sizes:
        raise ValueError
    end = at + 1 + sizes[kind]
    return int.from_bytes(raw[at + 1 : end], "big"), end
