"""Making a stream shorter, by what it should keep, and never by what a group still needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ..core.config import Retention
from ..core.exceptions import GroupMissing
from ..transport import group as link
from .acting import is_short
from .asking import Asking, value
from .values import ZERO, Count

COUNTED = 20_000
"""So many entries are counted one by one at most."""
HIGHEST = "18446744073709551615-18446744073709551615"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What trimming would do.

    Attributes:
        removable: entries that would go.
        held: how many more would go if no group needed them; 0 if `removable` is not known to the end.
        held_by: the group that needs the oldest of those; "" if none are held.
    """

    removable: Count
    held: Count = ZERO
    held_by: str = ""


class _Group(NamedTuple):
    """A group that holds a stream back.

    Attributes:
        name: of which what is no text is replaced.
        needs: id of the lowest entry that it still needs: its first pending one, else the last that it has read.
        last: the last that it has read.
        unread: how many are behind that; None where Redis does not know.
    """

    name: str
    needs: str
    last: str
    unread: int | None


def removable(asking: Asking, topic: str, retention: Retention) -> Count:
    """Return how many entries `trim` would remove now; counting has a bound. Raises BusError."""
    length, slowest = _facts(asking, topic, retention)
    return _removable(asking, topic, retention, length, slowest)


def preview(asking: Asking, topic: str, retention: Retention) -> Preview:
    """Return what `trim` would do now; counting has a bound. Raises BusError."""
    length, slowest = _facts(asking, topic, retention)
    goes = _removable(asking, topic, retention, length, slowest)
    if slowest is None or goes.at_least:
        return Preview(removable=goes)
    whole = _removable(asking, topic, retention, length, None)
    held = Count(max(0, whole.number - goes.number), whole.at_least)
    return Preview(removable=goes, held=held, held_by=slowest.name if held.number else "")


def _facts(asking: Asking, topic: str, retention: Retention) -> tuple[int, _Group | None]:
    """Return the length of a stream, 0 if nothing can be removed; and the group that holds it back most."""
    if retention.count is None and retention.age_s is None:
        return 0, None
    try:
        length = int(asking.call("XLEN", asking.key(topic)))
        groups = _holding(asking, topic) if length else []
    except GroupMissing:  # there is no such stream
        return 0, None
    return length, min(groups, key=lambda group: _order(group.needs), default=None)


def _removable(asking: Asking, topic: str, retention: Retention, length: int, slowest: _Group | None) -> Count:
    """Return how many entries would go, as far as a group permits it (None: there is none)."""
    key = asking.key(topic)
    if not length:
        return ZERO
    floor = slowest.needs if slowest is not None else HIGHEST
    old = Count(0)
    if retention.age_s is not None:
        oldest = f"{max(asking.now_ms() - int(retention.age_s * 1000), 0)}-0"
        old = _count(asking, key, "-", min(oldest, floor, key=_order))
    excess = 0 if retention.count is None else max(0, length - retention.count)
    if excess <= old.number:
        return old
    # Of what is too much, as far as nobody needs it.
    free = _below(asking, key, length, slowest, excess)
    if free.number >= excess:
        return Count(excess, old.at_least)
    return Count(max(free.number, old.number), free.at_least or old.at_least)


def trim(asking: Asking, topic: str, retention: Retention) -> int:
    """Remove what exceeds the retention and no live group needs; return how many entries went. Raises BusError.

    It ends when nothing is left to remove or the time is over.
    """
    if retention.count is None and retention.age_s is None:
        return 0
    keys = asking.keys(topic)
    count = "" if retention.count is None else retention.count
    age_ms = "" if retention.age_s is None else int(retention.age_s * 1000)
    removed = 0
    while not (removed and is_short(asking)):
        cut = int(asking.run("trim", [keys.stream, keys.groups], count, age_ms, link.PIN_MS))
        removed += cut
        if not cut:
            break
    return removed


def _holding(asking: Asking, topic: str) -> list[_Group]:
    """Return the groups that hold a stream back, as trim.lua has it: those seen alive within PIN_MS, and strangers."""
    keys = asking.keys(topic)
    told = [_pairs(flat) for flat in asking.call("XINFO", "GROUPS", keys.stream)]
    if not told:
        return []
    alive = asking.call("HMGET", keys.groups, *(group[b"name"] for group in told))
    since_ms = asking.now_ms() - link.PIN_MS
    holding = [group for group, seen in zip(told, alive, strict=True) if _holds(seen, since_ms)]
    pending = [group for group in holding if group[b"pending"]]
    replies = asking.many([("XPENDING", keys.stream, group[b"name"]) for group in pending])
    lowest = {group[b"name"]: value(reply)[1] for group, reply in zip(pending, replies, strict=True)}
    return [
        _Group(
            name=group[b"name"].decode(errors="replace"),
            needs=(lowest.get(group[b"name"]) or group[b"last-delivered-id"]).decode(),
            last=group[b"last-delivered-id"].decode(),
            unread=group.get(b"lag"),
        )
        for group in holding
    ]


def _holds(seen: bytes | None, since_ms: int) -> bool:
    """Return whether a group holds its stream back; also one of which nobody can tell when it was alive."""
    return seen is None or not seen.isdigit() or len(seen) > 18 or int(seen) > since_ms


def _below(asking: Asking, key: str, length: int, slowest: _Group | None, most: int) -> Count:
    """Return how many entries nobody needs; counting stops when `most` are found."""
    if slowest is None:
        return Count(length)
    end = _before(slowest.needs)
    if end is None or not asking.call("XRANGE", key, "-", end, "COUNT", 1):
        return Count(0)
    if slowest.unread is not None and 0 <= slowest.unread <= length:
        # Redis knows what is behind the group: what it has read and still needs lies close together, mostly.
        needed = _count(asking, key, slowest.needs, slowest.last, whole=True)
        if not needed.at_least:
            return Count(max(0, length - slowest.unread - needed.number))
    return _count(asking, key, "-", slowest.needs, most=most)


def _count(asking: Asking, key: str, first: str, last: str, *, whole: bool = False, most: int = COUNTED) -> Count:
    """Return how many entries lie between two ids, the last one included only if `whole`."""
    end = last if whole else _before(last)
    number, place = 0, first
    while end is not None:
        found, following = asking.run("count", [key], place, end)
        number += int(found)
        if not following:
            break
        place = following.decode()
        if number >= min(most, COUNTED) or is_short(asking):
            return Count(number, at_least=True)
    return Count(number)


def _before(entry_id: str) -> str | None:
    """Return the highest id below another; None if there is none."""
    ms, sequence = _order(entry_id)
    if sequence:
        return f"{ms}-{sequence - 1}"
    return f"{ms - 1}-{2**64 - 1}" if ms else None


def _order(entry_id: str) -> tuple[int, int]:
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence or 0)


def _pairs(flat: list[Any]) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
