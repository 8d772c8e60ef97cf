"""The entries of a stream, page by page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from ..consuming import LAST_SEQUENCE, start_id
from ..core.exceptions import ConfigurationError
from .asking import Asking
from .showing import Showing, Shown
from .steps import Raw, step
from .values import Page

LOOKED_AT = 2_000
"""So many entries are looked at for one page."""
LOOKED_AT_BYTES = 8_000_000
"""And so much of them."""
LONGEST_STEP = 500
_ID = re.compile(r"(\d{1,20})(?:-(\d{1,20}))?")
_LAST = int(LAST_SEQUENCE)

Direction = Literal["older", "newer"]


def browse(
    asking: Asking,
    topic: str,
    *,
    start: str = "",
    direction: Direction = "older",
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
    showing, walk = Showing(asking, topic, payloads=payloads), Walk(asking, topic, _place(start, direction), direction)
    filtered = bool(type or key or text)
    found: list[Shown] = []
    while len(found) < count and not walk.is_over:
        for entry_id, flat in walk.step(LONGEST_STEP if filtered else count - len(found)):
            if not filtered or showing.matches(flat, type=type, key=key, text=text):
                found.append(showing.shown(entry_id, flat))
                if len(found) == count:
                    break
    return Page(
        items=tuple(found),
        following=walk.following,
        looked_at=walk.looked_at,
        cut_short=len(found) < count and walk.following is not None,
    )


def entry(asking: Asking, topic: str, entry_id: str, *, payloads: bool) -> Shown | None:
    """Return one entry, None if it is not (or no longer) there. Raises as `browse`."""
    if not _ID.fullmatch(entry_id):
        raise ConfigurationError(f"{entry_id!r:.100} is no entry id, such as 1700000000000-0.")
    found = asking.call("XRANGE", asking.key(topic), entry_id, entry_id, "COUNT", 1)
    return Showing(asking, topic, payloads=payloads).shown(*found[0]) if found else None


class Walk:
    """A walk through a stream, in steps, with a bound.

    Args:
        place: the first id, itself included.
        direction: "newer" is upwards.

    Attributes:
        following: the id to go on at; None at the end.
        last: the id that was passed last; "" before the first.
        looked_at: how many entries were passed.
        is_over: the end is reached, or the bound.
    """

    def __init__(self, asking: Asking, topic: str, place: str, direction: Direction) -> None:
        self.following: str | None = place
        self.last = ""
        self.looked_at = 0
        self._asking = asking
        self._key = asking.key(topic)
        self._upwards = direction == "newer"
        self._bytes = 0

    @property
    def is_over(self) -> bool:
        if self.following is None or self.looked_at >= LOOKED_AT or self._bytes >= LOOKED_AT_BYTES:
            return True
        return self.looked_at > 0 and self._asking.is_over

    def step(self, most: int = LONGEST_STEP) -> Iterator[Raw]:
        """Yield the next entries, about `most` of them or fewer. Raises BusError."""
        asked = max(1, min(most, LOOKED_AT - self.looked_at, LONGEST_STEP))
        found, following = step(
            self._asking, self._key, self.following or "", "+" if self._upwards else "-",
            most=asked, backwards=not self._upwards,
        )  # fmt: skip
        last = found[-1][0] if found else b""
        if not found:
            self.following = None
        for entry_id, flat in found:
            self.looked_at += 1
            self._bytes += sum(map(len, flat))
            self.last = entry_id.decode()
            ended = following is None and entry_id == last
            self.following = None if ended else beside(self.last, upwards=self._upwards)
            yield entry_id, flat


def beside(entry_id: str, *, upwards: bool) -> str | None:
    """Return the next higher or lower id, None if there is none."""
    ms, sequence = map(int, entry_id.split("-"))
    if upwards:
        return f"{ms}-{sequence + 1}" if sequence < _LAST else f"{ms + 1}-0" if ms < _LAST else None
    return f"{ms}-{sequence - 1}" if sequence else f"{ms - 1}-{_LAST}" if ms else None


def _place(start: str, direction: Direction) -> str:
    if not start:
        return "+" if direction == "older" else "-"
    if start in ("all", "new"):
        raise ConfigurationError(f"{start!r} is no place in a stream: give an entry id, or a time with its zone.")
    place = start_id(start, "The place", "")
    if _ID.fullmatch(start):
        return place
    ms = int(place.partition("-")[0]) + 1  # a group begins after its place, which is a millisecond earlier
    return f"{ms}-{_LAST}" if direction == "older" else f"{ms}-0"
