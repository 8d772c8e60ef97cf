"""Write rows of the outbox: plain SQL, made once per database, for it stands on the path of each save."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from time import time
from typing import Any, NamedTuple

import msgspec
from django.db import connections
from msgspec.structs import replace

from django_redis_bus.core.events import Message
from django_redis_bus.core.exceptions import UnreadableEntry

from . import table
from .states import State

HOLD_MS = 5_000
"""How long relays leave a row alone that the process which wrote it publishes itself."""

PENDING = int(State.PENDING)
SCHEDULED = int(State.SCHEDULED)
_COLUMNS = (
    "bus", "topic", "event_id", "type", "order_key", "fields", "token", "state", "moment_ms", "created_ms", "attempts",
    "error",
)  # fmt: skip
# SQLite takes no more parameters than this in one statement, as Django configures it.
_PARAMETERS = 999

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Any]).decode


class Row(NamedTuple):
    """A row to be published."""

    id: int
    order_key: int | None
    message: Message


def now_ms() -> int:
    """Return the moment as the outbox writes it."""
    return int(time() * 1000)


def order_key(bus: str, topic: str, key: str | None) -> int | None:
    """Return what rows have in common that must leave in order; None if nothing."""
    if key is None:
        return None
    parts = "\0".join((bus, topic, key)).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(parts, digest_size=8).digest(), "big", signed=True)


def decode_fields(data: bytes | memoryview) -> list[bytes | str]:
    """Return the fields of the stream entry that a row holds. Raises UnreadableEntry."""
    try:
        fields = _decode(data)
    except Exception as error:  # nested too deep, no UTF-8, no bytes at all: whatever it is, no other row may suffer
        reason = f"{type(error).__name__}: {error}"
        raise UnreadableEntry("undecodable", f"the row's fields cannot be read: {reason}") from None
    if not fields or len(fields) % 2 or not {bytes, str}.issuperset(map(type, fields)):
        raise UnreadableEntry("undecodable", "the row's fields are no pairs of name and value")
    return fields


def store(bus: str, messages: Sequence[Message], *, using: str, moment_ms: int, state: int = PENDING) -> list[Row]:
    """Write one row per message in the transaction under way on `using`, in as few statements as it allows.

    Args:
        bus: alias of the bus they are for.
        moment_ms: when they may be taken first.
        state: PENDING or SCHEDULED.

    Raises ConfigurationError if there is no table, and what the database raises.
    """
    table.required(using)
    connection = connections[using]
    created_ms = now_ms()
    keys = [order_key(bus, m.topic, m.key) for m in messages]
    values = [
        (
            bus,
            m.topic,
            m.event_id[:255],
            m.type[:255],
            key,
            _encode(m.fields),
            m.token,
            state,
            moment_ms,
            created_ms,
            0,
            "",
        )
        for m, key in zip(messages, keys, strict=True)
    ]
    several = connection.features.can_return_rows_from_bulk_insert
    size = _PARAMETERS // len(_COLUMNS) if several else 1
    ids: list[int] = []
    with connection.cursor() as cursor:
        for at in range(0, len(values), size):
            chunk = values[at : at + size]
            cursor.execute(_insert(connection.vendor, len(chunk), several), [v for row in chunk for v in row])
            ids += [found[0] for found in cursor.fetchall()] if several else [cursor.lastrowid]
    # Whoever publishes a row, and however often: it is added once.
    return [Row(row_id, key, replace(m, once=True)) for row_id, key, m in zip(ids, keys, messages, strict=True)]


@cache
def _insert(vendor: str, rows: int, returning: bool) -> str:
    quote = "`{}`" if vendor == "mysql" else '"{}"'
    # Without its introducer MySQL would take bytes for text of the connection's character set.
    binary = "_binary %s" if vendor == "mysql" else "%s"
    one = f"({', '.join(binary if name == 'fields' else '%s' for name in _COLUMNS)})"
    columns = ", ".join(quote.format(name) for name in _COLUMNS)
    table_name = quote.format(table.model()._meta.db_table)
    tail = f" RETURNING {quote.format('id')}" if returning else ""
    return f"INSERT INTO {table_name} ({columns}) VALUES {', '.join([one] * rows)}{tail}"


def message_of(topic: str, type: str, fields: bytes | memoryview, token: str) -> Message:
    """Return the message that a row holds. Raises UnreadableEntry."""
    decoded = decode_fields(fields)
    try:
        event_id = decoded[2 * decoded[::2].index("ce_id") + 1]
    except ValueError:
        event_id = b""
    if not isinstance(event_id, str):
        raise UnreadableEntry("undecodable", "the row's fields hold no ce_id")
    # Whatever wrote the row: what the stream has had within the window is not added again.
    return Message(topic=topic, event_id=event_id, type=type, fields=decoded, once=True, token=token)
