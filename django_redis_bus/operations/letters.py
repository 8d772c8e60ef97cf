"""Dead letters as Redis has them, chunk by chunk: those that are meant, and as they may be seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..core.letters import HEAD, Letter, letter_of
from ..core.telling import printable
from .asking import Asking
from .showing import Showing, Shown
from .steps import WHOLE, step

CHUNK = 100
"""So many are read at once: a dead letter comes with its payload and its traceback."""
TRACEBACK_CHARS = 8_000
TEXT_BYTES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A dead letter.

    Attributes:
        dead_id: its own id, in the stream of dead letters.
        group: that gave it up.
        entry_id: that it had in the stream.
        reason: one of core.policy.Reason.
        error, traceback: as far as who asks may see them.
        attempts: runs.
        consumer: that gave it up.
        first_ms, last_ms: when it failed first and last, Unix ms; None where it does not say.
        shown: what was given up.
        in_stream: whether the entry is still in the stream; None in a listing.
    """

    dead_id: str
    group: str
    entry_id: str
    reason: str
    error: str
    traceback: str
    attempts: int | None
    consumer: str
    first_ms: int | None
    last_ms: int | None
    shown: Shown
    in_stream: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which dead letters of a stream are meant.

    Attributes:
        group, reason, type: exactly these; "" for any.
        text: in its error or its event, whatever the case of the letters; what must not be seen is not searched.
        until: no dead id above this; "" for all. Fix it when people are shown how many are meant.
    """

    group: str = ""
    reason: str = ""
    type: str = ""
    text: str = ""
    until: str = ""


class Seen(NamedTuple):
    """Some dead letters, in their order.

    Attributes:
        looked_at: how many there are; bytes: how large.
        letters: those that match, with their ids.
        following: where the next begin, to be given back as `after`; None at the end.
    """

    looked_at: int
    bytes: int
    letters: list[tuple[str, Letter]]
    following: str | None


def walk(
    asking: Asking,
    topic: str,
    match: Match,
    showing: Showing,
    *,
    after: str = "",
    newest_first: bool = False,
    size: int = CHUNK,
    whole: bool = True,
) -> Iterator[Seen]:
    """Yield dead letters, step by step, and those that match.

    Args:
        after: the `following` of a step; "" for the beginning.
        newest_first: else the oldest.
        size: of a step at most.
        whole: else what was given up is not wanted, if nothing is looked for in it.

    Raises BusError.
    """
    key = asking.keys(topic).dead
    start, end = (match.until or "+", "-") if newest_first else ("-", match.until or "+")
    values = WHOLE if whole or match.type or match.text else HEAD
    place: str | None = f"({after}" if after else start
    while place is not None:
        chunk, place = step(asking, key, place, end, most=size, backwards=newest_first, values=values)
        letters = [(dead_id.decode(), letter_of(flat)) for dead_id, flat in chunk]
        yield Seen(
            looked_at=len(chunk),
            bytes=sum(len(part) for _, flat in chunk for part in flat),
            letters=[each for each in letters if _fits(each[1], match, showing)],
            following=letters[-1][0] if place is not None else None,
        )


def _fits(one: Letter, match: Match, showing: Showing) -> bool:
    if match.group and one.group.decode(errors="replace") != match.group:
        return False
    if match.reason and one.reason.decode(errors="replace") != match.reason:
        return False
    if match.type and not showing.matches(one.fields, type=match.type):
        return False
    if not match.text or showing.matches(one.fields, text=match.text):
        return True
    error = showing.error(one.error.decode(errors="replace"))
    return match.text.casefold() in error.casefold()


def shown(dead_id: str, one: Letter, showing: Showing, in_stream: bool | None = None) -> DeadLetter:
    """Return a dead letter as who asks may see it."""
    traceback = one.traceback.decode(errors="replace") if showing.payloads else ""
    return DeadLetter(
        dead_id=dead_id,
        group=_text(one.group),
        entry_id=_text(one.entry_id),
        reason=_text(one.reason),
        error=showing.error(one.error.decode(errors="replace")),
        traceback=printable(traceback[-TRACEBACK_CHARS:], keep="\n\t"),
        attempts=_number(one.attempts),
        consumer=_text(one.consumer),
        first_ms=_number(one.first),
        last_ms=_number(one.last),
        shown=showing.shown(one.entry_id or dead_id.encode(), one.fields),
        in_stream=in_stream,
    )


def filters(match: Match) -> bool:
    """Return whether not all are meant."""
    return bool(match.group or match.reason or match.type or match.text)


def _text(raw: bytes) -> str:
    return printable(raw[:TEXT_BYTES].decode(errors="replace"))


def _number(raw: bytes) -> int | None:
    return int(raw) if raw.isdigit() and len(raw) < 16 else None
