"""Dead letters: look, redrive, discard, edit and send again, export."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any, TypeAlias

from ..core.envelope import ONLY_FOR
from ..core.events import Published
from ..core.exceptions import ConfigurationError
from ..core.letters import HEAD, Letter, letter_of
from ..core.telling import printable
from . import acting
from .acting import AT_ONCE as AT_ONCE
from .asking import Asking
from .bounds import newest_dead
from .entries import LOOKED_AT, LOOKED_AT_BYTES
from .exporting import Exporting
from .letters import CHUNK, filters, shown, walk
from .letters import DeadLetter as DeadLetter
from .letters import Match as Match
from .pending_rows import OPERATOR as OPERATOR
from .pending_rows import is_after, lease_ms
from .resending import copy_of
from .showing import Showing
from .steps import these
from .values import Acted, Count, Page

Chosen: TypeAlias = Sequence[str] | Match
"""Ids of dead letters, or all that match."""


def listing(
    asking: Asking, topic: str, match: Match, *, after: str = "", count: int = 50, payloads: bool
) -> Page[DeadLetter]:
    """Return dead letters, the newest first; `after` is the `following` of a page. Raises BusError."""
    showing = Showing(asking, topic, payloads=payloads)
    found: list[DeadLetter] = []
    looked_at = read = 0
    following: str | None = after or None
    size = CHUNK if filters(match) else min(count, CHUNK)
    for seen in walk(asking, topic, match, showing, after=after, newest_first=True, size=size):
        looked_at, read, following = looked_at + seen.looked_at, read + seen.bytes, seen.following
        room = count - len(found)
        found += [shown(dead_id, one, showing) for dead_id, one in seen.letters[:room]]
        if len(seen.letters) > room or (len(found) == count and following is not None):
            following = found[-1].dead_id
            break
        if looked_at >= LOOKED_AT or read >= LOOKED_AT_BYTES or acting.is_short(asking):
            break
    return Page(
        items=tuple(found),
        following=following,
        looked_at=looked_at,
        cut_short=following is not None and len(found) < count,
    )


def count(asking: Asking, topic: str, match: Match, *, payloads: bool) -> Count:
    """Return how many match; counting stops at AT_ONCE. Raises BusError."""
    if not filters(match) and (not match.until or not is_after(newest_dead(asking, topic) or "0-0", match.until)):
        return Count(asking.call("XLEN", asking.keys(topic).dead))
    number = 0
    showing = Showing(asking, topic, payloads=payloads)
    for seen in walk(asking, topic, match, showing, whole=False):
        number += len(seen.letters)
        if seen.following is None:
            return Count(number)
        if number >= AT_ONCE or acting.is_short(asking):
            break
    return Count(number, at_least=True)


def letter(asking: Asking, topic: str, dead_id: str, *, payloads: bool) -> DeadLetter | None:
    """Return one dead letter whole, None if it is not there. Raises BusError."""
    found = _one(asking, topic, dead_id)
    if found is None:
        return None
    entry_id = found.entry_id.decode(errors="replace")
    in_stream = False
    if acting.is_id(entry_id):
        entries = asking.call("XRANGE", asking.key(topic), entry_id, entry_id)
        in_stream = bool(entries) and list(entries[0][1]) == list(found.fields)
    return shown(dead_id, found, Showing(asking, topic, payloads=payloads), in_stream)


def redrive(asking: Asking, topic: str, chosen: Chosen, *, payloads: bool = True, after: str = "") -> Acted:
    """Hand dead letters to their own groups again, as if they came for the first time; other groups do not see them.

    The entry itself is pending again if it is still in the stream; else a copy of it is added that is for its group
    alone. Left alone: "gone" (no such dead letter), "no group" (its group is no longer there), "unreadable",
    "too many fields". `after` is where an act that has left more goes on. Raises BusError.
    """
    groups: dict[str, bytes] = {}

    def do(ids: Sequence[str]) -> Sequence[bytes]:
        group = groups.get(ids[0])
        same = list(takewhile(lambda dead_id: groups.get(dead_id) == group, ids))
        if group is None:
            return [b"gone"] * len(same)
        try:
            keys = asking.keys(topic, group.decode())
        except UnicodeDecodeError:
            return [b"no group"] * len(same)
        became: list[bytes] = asking.run(
            "redrive", [keys.stream, keys.dead, keys.retry, keys.failures, keys.consumers],
            group, lease_ms(asking), OPERATOR, ONLY_FOR, *same,
        )  # fmt: skip
        return became

    return acting.act(asking, _with_groups(asking, topic, chosen, groups, payloads, after), do)


def discard(asking: Asking, topic: str, chosen: Chosen, *, payloads: bool = True, after: str = "") -> Acted:
    """Throw dead letters away for good. Raises BusError."""

    def do(ids: Sequence[str]) -> list[bytes]:
        removed = asking.call("XDEL", asking.keys(topic).dead, *ids)
        return [acting.DONE] * removed + [b"gone"] * (len(ids) - removed)

    if not isinstance(chosen, Match):
        return acting.act(asking, acting.pages_of(chosen, after), do)
    return acting.act(asking, _with_groups(asking, topic, chosen, {}, payloads, after), do)


def resend(asking: Asking, topic: str, dead_id: str, data: Any, *, everyone: bool = False) -> Published:
    """Add an edited copy of a dead letter to the stream and throw the letter away, both or neither.

    The copy has an id of its own, its causation is the event that it corrects.

    Args:
        data: plain values; must fit the payload type of its event type. "[redacted]", where that was shown in the place
            of a value, stands for this value.
        everyone: for all groups of the stream; else for the one that gave it up.

    Raises PayloadError, LookupError if there is no such letter, ConfigurationError if its group is not there, BusError.
    """
    found = _one(asking, topic, dead_id)
    if found is None:
        raise LookupError(f"Stream {topic!r} has no dead letter {dead_id!r}.")
    event_id, fields = copy_of(asking, topic, found, data)
    keys = asking.keys(topic)
    alone = [] if everyone else [ONLY_FOR, found.group]
    group = b"" if everyone else found.group or b"?"
    added = asking.run("resend", [keys.stream, keys.dead], dead_id, group, *alone, *fields)
    if not added:
        raise LookupError(f"Stream {topic!r} has no dead letter {dead_id!r}: somebody else was quicker.")
    if added == b"no group":
        name = printable(found.group.decode(errors="replace"))
        raise ConfigurationError(
            f"Stream {topic!r} has no group {name!r} any more. Start a consumer of it, or send the copy to all groups."
        )
    return Published(topic=topic, event_id=event_id or added.decode(), entry_id=added.decode())


def export(asking: Asking, topic: str, match: Match, *, payloads: bool, after: str = "") -> Iterator[str]:
    """Yield matching dead letters as JSON, one per line, the oldest first, at most AT_ONCE, only those behind `after`.

    Each line is an object and so begins with a brace, and no text in it begins as a formula does, so no spreadsheet
    takes it for one: see exporting.Exporting. Raises BusError.
    """
    exporting = Exporting(asking, topic, payloads=payloads)
    written = 0
    for seen in walk(asking, topic, match, Showing(asking, topic, payloads=payloads), after=after):
        for dead_id, one in seen.letters[: AT_ONCE - written]:
            yield exporting.line(dead_id, one)
        written += len(seen.letters)
        if written >= AT_ONCE:
            break


def _one(asking: Asking, topic: str, dead_id: str) -> Letter | None:
    if not acting.is_id(dead_id):
        return None
    found = asking.call("XRANGE", asking.keys(topic).dead, dead_id, dead_id)
    return letter_of(found[0][1]) if found else None


def _with_groups(
    asking: Asking, topic: str, chosen: Chosen, groups: dict[str, bytes], payloads: bool, after: str
) -> Iterator[tuple[Sequence[str], str | None]]:
    """Yield the ids that are meant, those of one group together, and note the group of each."""
    if isinstance(chosen, Match):
        showing = Showing(asking, topic, payloads=payloads)
        for seen in walk(asking, topic, chosen, showing, after=after, whole=False):
            groups.clear()
            groups.update({dead_id: one.group for dead_id, one in seen.letters})
            yield sorted(groups, key=groups.__getitem__), seen.following
        return
    key = asking.keys(topic).dead
    for ids, following in acting.pages_of(chosen, after):
        groups.clear()
        for found in these(asking, key, ids, values=HEAD):
            groups.update({each[0].decode(): letter_of(each[1]).group for each in found if each is not None})
        yield sorted(ids, key=lambda dead_id: groups.get(dead_id, b"")), following
