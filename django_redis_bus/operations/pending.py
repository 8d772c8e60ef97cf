"""Pending entries: what a group has read and not settled; look, retry, claim, ack, dead-letter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from ..core.exceptions import ConfigurationError, did_you_mean
from ..core.policy import Reason
from ..core.telling import printable
from . import acting
from .acting import AT_ONCE as AT_ONCE
from .acting import PAGE
from .asking import Asking
from .entries import LOOKED_AT, LOOKED_AT_BYTES
from .pending_rows import OPERATOR as OPERATOR
from .pending_rows import Look, Row, is_after, lease_ms, look
from .pending_rows import State as State
from .showing import Showing, Shown
from .steps import these
from .values import Acted, Count, Page

WHY_CHARS = 300
"""So much of who did it and why stands in the error of a dead letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEntry:
    """A pending entry.

    Attributes:
        consumer: its owner.
        idle_s: since its lease was last renewed.
        attempts: runs so far, as far as is known.
        next_s: seconds until its retry, negative if that is due; None if it waits for none.
        error: of its last failure, as far as who asks may see it; "" if it has not failed.
        first_ms, last_ms: when it failed first and last, Unix ms; None if it has not.
        crashes: runs alone that ended with the process.
        shown: the entry; None if it has been trimmed away.
    """

    entry_id: str
    consumer: str
    state: State
    idle_s: float
    attempts: int
    next_s: float | None = None
    error: str = ""
    first_ms: int | None = None
    last_ms: int | None = None
    crashes: int = 0
    shown: Shown | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which pending entries of a group are meant.

    Attributes:
        consumer: only this one's; "" for all.
        state: only in this state; "" for all.
        idle_s: silent for so long at least.
        error: a text in its last error, whatever the case of the letters; "" for any.
        until: no entry id above this; "" for all. Fix it when people are shown how many are meant.
    """

    consumer: str = ""
    state: State | Literal[""] = ""
    idle_s: float = 0.0
    error: str = ""
    until: str = ""


Chosen: TypeAlias = Sequence[str] | Match
"""Entry ids, or all that match."""


def listing(
    asking: Asking, topic: str, group: str, match: Match, *, after: str = "", count: int = 50, payloads: bool
) -> Page[PendingEntry]:
    """Return pending entries in the order of their ids. Raises BusError."""
    showing = Showing(asking, topic, payloads=payloads)
    rows: list[Row] = []
    looked_at, following, now_ms = 0, after or None, 0
    while True:
        # Without a filter no more is looked at than is shown, and one to know whether there are more.
        size = min(PAGE, LOOKED_AT - looked_at) if _filters(match) else count + 1
        seen = _look(asking, topic, group, match, following or "", size)
        now_ms, looked_at, following = seen.now_ms, looked_at + seen.looked_at, seen.following
        found = [row for row in seen.rows if _has_error(row, match, showing)]
        room = count - len(rows)
        rows += found[:room]
        if len(found) > room or (len(found) == room and following is not None):
            following = rows[-1].entry_id
            break
        if following is None or looked_at >= LOOKED_AT or acting.is_short(asking):
            break
    shown = _shown(asking, topic, rows, showing)
    if len(shown) < len(rows):  # their entries are large
        rows = rows[: len(shown)]
        following = rows[-1].entry_id
    return Page(
        items=tuple(_entry(row, now_ms, showing, event) for row, event in zip(rows, shown, strict=True)),
        following=following,
        looked_at=looked_at,
        cut_short=following is not None and len(rows) < count,
    )


def count(asking: Asking, topic: str, group: str, match: Match, *, payloads: bool) -> Count:
    """Return how many match; counting stops at AT_ONCE. Raises BusError."""
    if not _filters(match):
        total, _, last, _ = asking.call("XPENDING", asking.key(topic), group)
        if not total or not match.until or not is_after(last.decode(), match.until):
            return Count(total)
    number = 0
    for ids, following in _pages(asking, topic, group, match, payloads=payloads):
        number += len(ids)
        if following is None:
            return Count(number)
        if number >= AT_ONCE or acting.is_short(asking):
            break
    return Count(number, at_least=True)


def retry(asking: Asking, topic: str, group: str, chosen: Chosen, *, payloads: bool = True, after: str = "") -> Acted:
    """Let entries be tried again now, by any consumer, counted as the attempt that they were waiting for.

    Those that run are left alone ("running"), as those that are not pending ("gone"). `after` is where an act that has
    left more goes on. Raises BusError.
    """
    do = partial(_act, asking, topic, group, chosen, "retry", "")
    return acting.act(asking, _chosen(asking, topic, group, chosen, payloads, after), do)


def claim(
    asking: Asking, topic: str, group: str, chosen: Chosen, *, to: str, payloads: bool = True, after: str = ""
) -> Acted:
    """Make a consumer the owner of entries. What waits for a retry goes on waiting for it.

    What was silent stays so: the consumer is not told of it, and any of them takes it over next. That is as the group
    would have it, and no entry seems to run that nobody runs. What the consumer owns is left alone ("theirs already").

    Raises ConfigurationError if the group has no consumer of this name.
    """
    consumers = asking.call("XINFO", "CONSUMERS", asking.key(topic), group)
    names = [each for flat in consumers if (each := flat[1].decode(errors="replace")) != OPERATOR]
    if to not in names:
        raise ConfigurationError(
            f"Stream {topic!r}, group {group!r} has no consumer {to!r}. {did_you_mean(to, names).strip()}"
        )
    do = partial(_act, asking, topic, group, chosen, "claim", to)
    return acting.act(asking, _chosen(asking, topic, group, chosen, payloads, after), do)


def ack(asking: Asking, topic: str, group: str, chosen: Chosen, *, payloads: bool = True, after: str = "") -> Acted:
    """Settle entries as if they had been handled: this group forgets them. They stay in the stream."""
    do = partial(_act, asking, topic, group, chosen, "ack", "")
    return acting.act(asking, _chosen(asking, topic, group, chosen, payloads, after), do)


def bury(
    asking: Asking,
    topic: str,
    group: str,
    chosen: Chosen,
    *,
    by: str,
    why: str = "",
    payloads: bool = True,
    after: str = "",
) -> Acted:
    """Move entries to the dead letters, with the reason "operator"; `by` and `why` stand in their error, and before
    them what they failed with, if they have failed."""
    said = printable(f"by {by}: {why}" if why else f"by {by}")[:WHY_CHARS]
    keys = asking.keys(topic, group)

    def do(ids: Sequence[str]) -> list[bytes]:
        became = asking.run(
            "dead", [keys.stream, keys.dead, keys.retry, keys.failures, keys.consumers],
            group, "", lease_ms(asking), Reason.OPERATOR, said, "", "", *_conditions(chosen), *ids,
        )  # fmt: skip
        return [what for what, _ in became]

    return acting.act(asking, _chosen(asking, topic, group, chosen, payloads, after), do)


def _act(asking: Asking, topic: str, group: str, chosen: Chosen, verb: str, to: str, ids: Sequence[str]) -> list[bytes]:
    keys = asking.keys(topic, group)
    became: list[bytes] = asking.run(
        "pending_act", [keys.stream, keys.retry, keys.failures, keys.consumers],
        group, lease_ms(asking), verb, to, *_conditions(chosen), *ids,
    )  # fmt: skip
    return became


def _chosen(
    asking: Asking, topic: str, group: str, chosen: Chosen, payloads: bool, after: str
) -> Iterator[tuple[Sequence[str], str | None]]:
    if isinstance(chosen, Match):
        return _pages(asking, topic, group, chosen, payloads=payloads, after=after)
    return acting.pages_of(chosen, after)


def _pages(
    asking: Asking, topic: str, group: str, match: Match, *, payloads: bool, after: str = ""
) -> Iterator[tuple[list[str], str | None]]:
    showing = Showing(asking, topic, payloads=payloads)
    following: str | None = after
    while following is not None:
        seen = _look(asking, topic, group, match, following, PAGE)
        following = seen.following
        yield [row.entry_id for row in seen.rows if _has_error(row, match, showing)], following


def _look(asking: Asking, topic: str, group: str, match: Match, after: str, size: int) -> Look:
    return look(asking, topic, group, after=after, until=match.until, size=size, conditions=_conditions(match))


def _entry(row: Row, now_ms: int, showing: Showing, shown: Shown | None) -> PendingEntry:
    return PendingEntry(
        entry_id=row.entry_id,
        consumer=printable(row.consumer),
        state=row.state,
        idle_s=row.idle_ms / 1000,
        attempts=row.attempts,
        next_s=None if row.due_ms is None else (row.due_ms - now_ms) / 1000,
        error=showing.error(row.error),
        first_ms=row.whole("first"),
        last_ms=row.whole("last"),
        crashes=row.whole("crashes") or 0,
        shown=shown,
    )


def _shown(asking: Asking, topic: str, rows: Sequence[Row], showing: Showing) -> list[Shown | None]:
    """Return the entries of the first rows, as many as one page reads; None for what the stream has no more."""
    found: list[Shown | None] = []
    read = 0
    for entries in these(asking, asking.key(topic), [row.entry_id for row in rows]):
        found += [showing.shown(*entry) if entry is not None else None for entry in entries]
        read += sum(each.size for each in found[-len(entries) :] if each is not None)
        if read >= LOOKED_AT_BYTES or acting.is_short(asking):
            break
    return found


def _has_error(row: Row, match: Match, showing: Showing) -> bool:
    return not match.error or match.error.casefold() in showing.error(row.error).casefold()


def _filters(match: Match) -> bool:
    return bool(match.consumer or match.state or match.idle_s or match.error)


def _conditions(chosen: Chosen) -> tuple[str, str, int]:
    """Return what an entry has to be still when it is acted on."""
    if isinstance(chosen, Match):
        return chosen.consumer, chosen.state, int(chosen.idle_s * 1000)
    return "", "", 0
