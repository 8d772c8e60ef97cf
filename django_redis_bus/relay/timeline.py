"""Where a room stands in its channel's history: what comes next, what was there already, and what is missing. Pure.

A position is an epoch and an offset "<n>-<random>": see docs/reference/wire-format.md. `n` counts by one, so a hole
shows; the random part tells a number that is used again after Redis lost data from the one that was seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

KEPT_BYTES = 65_536
"""Characters of messages that a room keeps in memory: enough for most who come back, and no more for a silent room."""


class Place(Enum):
    """What a message is to a room."""

    NEXT = "next"
    FIRST = "first"
    """It begins a new history."""
    KNOWN = "known"
    ELSEWHERE = "elsewhere"
    """Something before it is missing, or it belongs to another history."""


class Position(NamedTuple):
    """A place in a channel's history."""

    epoch: str
    offset: str

    @property
    def n(self) -> int:
        return number(self.offset)


class Kept(NamedTuple):
    """A message of the history, as JSON text."""

    offset: str
    text: str


def number(offset: str) -> int:
    """Return which message of its epoch an offset belongs to, -1 if it is no offset."""
    n = offset.partition("-")[0]
    return int(n) if n.isascii() and n.isdigit() and len(n) < 20 else -1


class Timeline:
    """The newest position of a room, and its newest messages.

    Args:
        most: how many messages are kept.
        known: how many offsets are remembered: what was read from Redis comes once more over the subscription.
    """

    def __init__(self, most: int, known: int) -> None:
        self._most = max(1, most)
        self._remembered = max(2 * self._most, known)
        self._bytes = 0
        self.position: Position | None = None
        """None while nothing has been published in an epoch that is known."""
        self._kept: deque[Kept] = deque()
        self._before: str | None = None
        """The offset before the first that is kept, None if nobody knows it."""
        self._known: dict[str, None] = {}

    def place(self, position: Position) -> Place:
        """Return what a message at `position` is to this room."""
        mine = self.position
        if mine is None:
            return Place.NEXT if position.n == 1 else Place.ELSEWHERE
        if position.epoch != mine.epoch:
            return Place.FIRST if position.n == 1 else Place.ELSEWHERE
        if position.n == mine.n + 1:
            return Place.NEXT
        return Place.KNOWN if position.offset in self._known else Place.ELSEWHERE

    def advance(self, position: Position, text: str) -> None:
        """Go on to a message whose place is NEXT."""
        if self.position is None:
            self._before = _ZERO
        self.position = position
        self._kept.append(Kept(position.offset, text))
        self._known[position.offset] = None
        self._bytes += len(text)
        while len(self._kept) > self._most or (self._bytes > KEPT_BYTES and self._kept):
            gone = self._kept.popleft()
            self._bytes -= len(gone.text)
            self._before = gone.offset
        if len(self._known) > self._remembered:
            del self._known[next(iter(self._known))]

    def begin(self, position: Position | None, messages: Sequence[Kept] = ()) -> None:
        """Begin at `position`, the end of `messages`, whatever was before."""
        self._kept.clear()
        self._known.clear()
        self._bytes = 0
        self._before = None
        self.position = position
        if position is None:
            return
        if messages and number(messages[0].offset) == 1:
            self._before = _ZERO
        for kept in messages:
            self.advance(Position(position.epoch, kept.offset), kept.text)
        self._known[position.offset] = None
        if not messages:
            self._before = position.offset

    def forget(self) -> None:
        """Keep no message: they are older than the channel wants them to be."""
        self._kept.clear()
        self._bytes = 0
        self._before = self.position.offset if self.position else None

    @property
    def is_empty(self) -> bool:
        return not self._kept

    def after(self, offset: str) -> list[Kept] | None:
        """Return the messages after `offset` of this epoch, None if that is not in memory."""
        if self.position is None:
            return None
        if offset == self.position.offset:
            return []
        if offset == self._before:
            return list(self._kept)
        found: list[Kept] = []
        for kept in reversed(self._kept):
            if kept.offset == offset:
                return found[::-1]
            found.append(kept)
        return None

    def newest(self, count: int) -> list[Kept] | None:
        """Return the newest messages, None if fewer are in memory than there may be."""
        if count <= 0 or self.position is None:
            return []
        if len(self._kept) < count and self._before != _ZERO:
            return None
        return list(self._kept)[-count:]


_ZERO = "0-0"
"""The place before the first message."""
