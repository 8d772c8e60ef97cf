"""The entries of a stream, page by page."""

from __future__ import annotations

from typing import Literal

from .asking import Asking
from .showing import Shown
from .values import Page

LOOKED_AT = 2_000
"""So many entries are looked at for one page."""


def browse(
    asking: Asking,
    topic: str,
    *,
    start: str = "",
    direction: Literal["older", "newer"] = "older",
    count: int = 50,
    type: str = "",
    key: str = "",
    text: str = "",
    payloads: bool,
) -> Page[Shown]:
    """Return entries from a place on, in the order of the direction.

    Args:
        start: an entry id, a time ("2026-11-22T08:00:00Z"), or the `following` of a page; "" for the newest entry
            ("older") or the oldest ("newer").
        count: most entries of a page.
        type, key, text: see Showing.matches.
        payloads: see Showing.

    Raises ConfigurationError for a start that is no place, BusError if Redis cannot be asked.
    """
    raise NotImplementedError


def entry(asking: Asking, topic: str, entry_id: str, *, payloads: bool) -> Shown | None:
    """Return one entry, None if it is not (or no longer) there. Raises as `browse`."""
    raise NotImplementedError
