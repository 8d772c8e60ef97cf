"""What becomes of rows in hand: one statement for many, and none for a row that another relay has taken over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from django.db import connections
from django.db.models import F

from . import table
from .claiming import lease_until
from .conflicts import execute, retried
from .rows import PENDING, now_ms
from .statements import listed, sent_soon
from .states import State

_AT_ONCE = 500
# A text for people, who need not read the whole of what an exception has to say.
_ERROR_LENGTH = 2_000


def sent(using: str, ids: Sequence[int]) -> None:
    """Note that rows were published: a fact, whoever has them in hand by now."""
    for some in _chunks(ids):
        execute(using, sent_soon(connections[using]).format(now=now_ms(), ids=listed(some)))


def free(using: str, lease: int, ids: Sequence[int], *, token: str = "") -> None:
    """Give rows back as they were.

    Args:
        token: of the batch under which they may have been added all the same.
    """
    values: dict[str, Any] = {"token": token} if token else {}
    _update(using, lease, ids, **values)


def hold(using: str, lease: int, ids: Sequence[int], *, until_ms: int) -> None:
    """Give rows back that nobody shall take for a while; they keep their place."""
    _update(using, lease, ids, to=lease_until(until_ms))


def postpone(using: str, lease: int, ids: Sequence[int], *, to_ms: int) -> None:
    """Give rows back that take their place among those of a later moment."""
    _update(using, lease, ids, moment_ms=to_ms)


def fail(using: str, lease: int, ids: Sequence[int], *, error: str, to_ms: int) -> None:
    """Count a failed attempt of rows that may be taken again at a moment."""
    _update(using, lease, ids, moment_ms=to_ms, attempts=F("attempts") + 1, error=error[:_ERROR_LENGTH], token="")


def park(using: str, lease: int, ids: Sequence[int], *, error: str) -> None:
    """Put rows aside that cannot be published; somebody has to look at them."""
    _update(
        using, lease, ids,
        moment_ms=now_ms(), attempts=F("attempts") + 1, error=error[:_ERROR_LENGTH], token="", state=State.PARKED,
    )  # fmt: skip


def _update(using: str, lease: int, ids: Sequence[int], *, to: int = 0, **values: Any) -> None:
    for some in _chunks(ids):
        ours = table.model()._base_manager.using(using).filter(id__in=some, lease=lease, state=PENDING)
        retried(using, partial(ours.update, lease=to, **values))


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for at in range(0, len(ids), _AT_ONCE):
        yield ids[at : at + _AT_ONCE]
