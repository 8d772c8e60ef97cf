"""What becomes of rows that were in hand: one statement for many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db.models import F

from . import table
from .rows import PENDING
from .states import State

SENT = int(State.SENT)
_AT_ONCE = 500


def mark_sent(using: str, ids: Sequence[int], now_ms: int) -> None:
    """Note that rows were published."""
    for some in _chunks(ids):
        _rows(using, some).exclude(state=SENT).update(state=SENT, moment_ms=now_ms, error="", token="")


def give_back(using: str, moments: Mapping[int, int]) -> None:
    """Let rows be taken again from a moment on.

    Args:
        moments: ms by the id of the row.
    """
    by_moment: dict[int, list[int]] = {}
    for row_id, moment_ms in moments.items():
        by_moment.setdefault(moment_ms, []).append(row_id)
    for moment_ms, ids in by_moment.items():
        for some in _chunks(ids):
            _rows(using, some).filter(state=PENDING).update(moment_ms=moment_ms)


def note_failure(using: str, row_id: int, error: str, *, moment_ms: int, state: int = PENDING) -> None:
    """Note that a row could not be published; it is tried again at `moment_ms`, or parked."""
    _rows(using, [row_id]).exclude(state=SENT).update(
        attempts=F("attempts") + 1, error=error, moment_ms=moment_ms, state=state
    )


def _rows(using: str, ids: Sequence[int]) -> Any:
    return table.model()._base_manager.using(using).filter(id__in=ids)


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for at in range(0, len(ids), _AT_ONCE):
        yield ids[at : at + _AT_ONCE]
