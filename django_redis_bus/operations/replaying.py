"""Replay: a group gets again what it has had, from a place on. Its own consumers carry it out, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .. import registry
from ..consuming import LAST_SEQUENCE, start_id
from ..core.exceptions import ConfigurationError, GroupMissing, PublishError, did_you_mean
from ..core.telling import printable
from ..transport.group import ALIVE_MS
from .acting import is_short
from .asking import Asking
from .pausing import NO_DATE_MS
from .records import NAME_CHARS
from .values import Count

COUNTED = 100_000
"""A dry run counts so many entries at most."""
FASTEST = 1e6
"""No rate is higher, in entries per second."""
FIELDS = ("since", "until", "at", "done", "passed", "total", "least", "per_s", "by", "started", "over", "trouble")
"""What is noted of a replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a replay would do.

    Attributes:
        since: the first entry id that it would look at.
        until: the last: what the group has read so far. Later entries come to it anyway.
        count: entries from the one to the other.
        remembered: handlers of the group that are idempotent: they pass over events that they remember.
        is_consumed: a consumer of the group lives. Without one nothing moves.
    """

    group: str
    since: str
    until: str
    count: Count
    remembered: tuple[str, ...]
    is_consumed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A replay under way, or over.

    Attributes:
        at: the last entry that it has come to.
        done: entries that it has handed to the group.
        passed: entries that it passed over, because they were pending already.
        total: as counted at the start.
        per_s: most entries per second; None for as fast as the group takes them.
        by: who asked for it; started_ms: when, Unix ms, by Redis's clock.
        is_over: it has come to `until`, or there was trouble. Its last entries may still be under way.
        is_consumed: a consumer of the group lives. Without one nothing moves.
        trouble: what ended it before its time: something in what is noted of it; "" if nothing did.
    """

    group: str
    since: str
    until: str
    at: str
    done: int
    passed: int
    total: Count
    per_s: float | None
    by: str
    started_ms: int
    is_over: bool
    is_consumed: bool = True
    trouble: str = ""


def plan(asking: Asking, topic: str, group: str, since: str, *, until: str = "") -> Plan:
    """Return what a replay would do; changes nothing.

    Args:
        since: "all", an entry id, or a time with its zone ("2026-11-22T08:00:00Z"). It is replayed itself.
        until: no entry after this id, of an earlier plan; "" for all that the group has read so far.

    Raises ConfigurationError if the group does not exist or `since` is no place, BusError.
    """
    first = _first(since)
    read = _read_so_far(asking, topic, group)
    until = min(until or read, read, key=_place)
    declared = registry.find_stream(asking.bus.alias, topic)
    remembered = tuple(
        each.name
        for each in registry.handlers(asking.bus.alias)
        if declared is not None and each.stream == declared.name and each.group == group and each.idempotent
    )
    return Plan(
        group=group,
        since=first,
        until=until,
        count=_count(asking, topic, first, until),
        remembered=remembered,
        is_consumed=_is_consumed(asking, topic, group),
    )


def start(asking: Asking, topic: str, plan: Plan, *, per_s: float | None = None, by: str) -> Replay:
    """Begin a replay as planned, in place of one that is over. Consumers of the group carry it out.

    Args:
        per_s: most entries per second; None for as fast as the group takes them.
        by: who asks for it.

    Returns it as it begins. Raises ConfigurationError if one is under way already, BusError.
    """
    if per_s is not None and not 0 < per_s < FASTEST:
        raise ConfigurationError(f"A replay of {per_s} entries per second cannot be: give a number above 0, or none.")
    state = {
        "since": plan.since,
        "until": plan.until,
        "total": plan.count.number,
        "least": int(plan.count.at_least),
        "per_s": "" if per_s is None else per_s,
        "by": by,
    }
    keys, now_ms = asking.keys(topic, plan.group), asking.now_ms()
    began = asking.run("replay_start", [keys.replay], *(part for pair in state.items() for part in pair))
    if not began:
        raise ConfigurationError(
            f"Stream {topic!r}, group {plan.group!r}: a replay is under way. Wait for it, or cancel it first."
        )
    # Not asked for again: by now it may be cancelled, and Redis away, and it has begun all the same.
    return Replay(
        group=plan.group,
        since=plan.since,
        until=plan.until,
        at="",
        done=0,
        passed=0,
        total=plan.count,
        per_s=per_s,
        by=by,
        started_ms=now_ms,
        is_over=False,
        is_consumed=plan.is_consumed,
    )


def replay(asking: Asking, topic: str, group: str) -> Replay | None:
    """Return the replay of a group, under way or over; None if there is none. Raises BusError."""
    found = parsed(group, asking.call("HMGET", asking.keys(topic, group).replay, *FIELDS))
    return found and replace(found, is_consumed=_is_consumed(asking, topic, group))


def cancel(asking: Asking, topic: str, group: str) -> bool:
    """End a replay where it is, or forget one that is over. What it has handed to the group stays there.

    Returns whether there was one. Raises BusError.
    """
    return bool(asking.call("DEL", asking.keys(topic, group).replay))


def parsed(group: str, values: Sequence[bytes | None]) -> Replay | None:
    """Return the replay that the values of FIELDS are of; None if they are of none.

    What somebody else has written there and cannot be is "", 0 or None: operators see it and can cancel it.
    """
    said = {
        name: value.decode(errors="replace") for name, value in zip(FIELDS, values, strict=True) if value is not None
    }
    if "since" not in said:
        return None
    started_ms = _whole(said, "started")
    return Replay(
        group=group,
        since=_text(said, "since"),
        until=_text(said, "until"),
        at=_text(said, "at"),
        done=_whole(said, "done"),
        passed=_whole(said, "passed"),
        total=Count(_whole(said, "total"), said.get("least") == "1"),
        per_s=_rate(said.get("per_s", "")),
        by=_text(said, "by"),
        started_ms=started_ms if started_ms < NO_DATE_MS else 0,
        is_over="over" in said,
        trouble=printable(_text(said, "trouble")),
    )


def was_consumed(alive_ms: int | None, now_ms: int) -> bool:
    """Return whether a group has a live consumer, by when it last had one (Unix ms; None for never)."""
    return alive_ms is not None and now_ms - alive_ms < ALIVE_MS


def _is_consumed(asking: Asking, topic: str, group: str) -> bool:
    [noted] = asking.many([("HGET", asking.keys(topic).groups, group)])
    if not isinstance(noted, bytes) or not noted.isdigit() or len(noted) > 18:
        return False
    return was_consumed(int(noted), asking.now_ms())


def _text(said: Mapping[str, str], name: str) -> str:
    return said.get(name, "")[:NAME_CHARS]


def _whole(said: Mapping[str, str], name: str) -> int:
    text = said.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _rate(text: str) -> float | None:
    try:
        per_s = float(text)
    except ValueError:
        return None
    return per_s if 0 < per_s < FASTEST else None


def _first(since: str) -> str:
    if since == "new":
        raise ConfigurationError("A replay is of what has been read: give all, an entry id, or a time with its zone.")
    place = start_id(since, "The beginning of a replay", "all, ")
    if place == "0":
        return "0-0"
    ms, dash, sequence = place.partition("-")
    if sequence == LAST_SEQUENCE:  # a group begins after its id; a replay at its own
        return f"{int(ms) + 1}-0"
    return place if dash else f"{ms}-0"


def _place(entry_id: str) -> tuple[int, int]:
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence or 0)


def _read_so_far(asking: Asking, topic: str, group: str) -> str:
    try:
        groups = asking.call("XINFO", "GROUPS", asking.key(topic))
    except (GroupMissing, PublishError) as error:
        raise ConfigurationError(f"Stream {topic!r} does not exist: {error}") from error
    names = []
    for flat in groups:
        info = dict(zip(flat[::2], flat[1::2], strict=True))
        name = info[b"name"].decode(errors="replace")
        if name == group:
            return str(info[b"last-delivered-id"].decode())
        names.append(name)
    raise ConfigurationError(f"Stream {topic!r} has no group {group!r}. {did_you_mean(group, names).strip()}")


def _count(asking: Asking, topic: str, first: str, until: str) -> Count:
    number, place = 0, first
    while True:
        found, following = asking.run("count", [asking.key(topic)], place, until)
        number += found
        if not following:
            return Count(number)
        if number >= COUNTED or is_short(asking):
            return Count(number, at_least=True)
        place = following.decode()
