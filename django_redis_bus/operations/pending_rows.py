"""What Redis tells of a group's pending entries: page by page, each with its state."""

from __future__ import annotations

from math import inf
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from .asking import Asking

State: TypeAlias = Literal["running", "waiting", "held", "silent"]
"""running: a live consumer has it in hand. waiting: for its retry. held: its handler is paused. silent: its consumer is
dead, or its lease ran out: it is taken over next."""

OPERATOR = "bus-operator"
"""Owner of entries that are pending again and that no consumer has taken yet. It is nobody."""
_NO_MOMENT_MS = 2**63


class Row(NamedTuple):
    """A pending entry.

    Attributes:
        note: of its failures.
    """

    entry_id: str
    consumer: str
    idle_ms: int
    attempts: int
    state: State
    due_ms: float | None
    note: dict[str, Any]

    @property
    def error(self) -> str:
        """What it failed with last, as it was noted; "" if it has not failed."""
        error = self.note.get("error")
        return error if isinstance(error, str) else ""

    def whole(self, name: str) -> int | None:
        """Return a number that is noted."""
        said = self.note.get(name)
        return int(said) if isinstance(said, int | float) and not isinstance(said, bool) else None


class Look(NamedTuple):
    """A page of pending entries.

    Attributes:
        now_ms: by Redis's clock.
        looked_at: how many were looked at.
        following: where the next page begins; None at the end.
        rows: those that meet the conditions.
    """

    now_ms: int
    looked_at: int
    following: str | None
    rows: list[Row]


def look(
    asking: Asking, topic: str, group: str, *, after: str, until: str, size: int, conditions: tuple[str, str, int]
) -> Look:
    """Return pending entries in the order of their ids.

    Args:
        after: the first is behind this id; "" for the beginning.
        until: none is behind this id; "" for the end.
        size: how many are looked at.
        conditions: consumer and state, "" for any, and how long it has been silent at least, ms.

    Raises BusError.
    """
    keys = asking.keys(topic, group)
    now_ms, looked_at, last, rows = asking.run(
        "pending_look", [keys.stream, keys.retry, keys.failures, keys.consumers],
        group, lease_ms(asking), f"({after}" if after else "-", until or "+", size, *conditions,
    )  # fmt: skip
    return Look(now_ms, looked_at, last.decode() or None, [_row(*row) for row in rows])


def lease_ms(asking: Asking) -> int:
    """Return the lease of a consumer that says nothing of its own."""
    return int(asking.config.lease_s * 1000)


def is_after(entry_id: str, other: str) -> bool:
    """Return whether an entry id is behind another, which may be written by anybody."""
    parts = other.split("-")
    return not all(part.isdecimal() for part in parts) or _order(entry_id.split("-")) > _order(parts)


def _order(parts: list[str]) -> list[int]:
    return [int(part) for part in parts]


def _row(
    entry_id: bytes, consumer: bytes, idle_ms: int, attempts: int, state: bytes, due_ms: bytes, note: bytes
) -> Row:
    try:
        said = msgspec.json.decode(note) if note else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = {}
    return Row(
        entry_id.decode(),
        consumer.decode(errors="replace"),
        idle_ms,
        attempts,
        state.decode(),  # type: ignore[arg-type]  # the script's words are those of State
        _due(due_ms),
        said if isinstance(said, dict) else {},
    )


def _due(score: bytes) -> float | None:
    """Return when a retry is due; None without a score, and for one that is no moment."""
    due_ms = float(score) if score else inf
    return due_ms if abs(due_ms) < _NO_MOMENT_MS else None
