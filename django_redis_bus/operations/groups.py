"""The groups of a stream as reports: how far behind, who works on them, what is paused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from .. import registry
from ..core.exceptions import BusError
from ..transport.group import ALIVE_MS
from .asking import Asking
from .looking import ConsumerSeen, GroupNoted, GroupSeen, StreamSeen, groups_noted, id_ms
from .pausing import Pause
from .records import Record
from .replaying import Replay, was_consumed
from .values import ZERO, Count

NOTHING = GroupNoted(0, 0, None, {}, None, None, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerReport:
    """A consumer of a group.

    Attributes:
        is_alive: its heartbeat is younger than ten seconds.
        beat_s: age of its last heartbeat; None if it has none (it left, or is no consumer of a bus).
        pending: entries that it has read and not settled.
        idle_s: since it last asked for something.
        host, pid, lease_s, paused: as it says of itself at its last heartbeat; None or "" if it says nothing.
        held, oldest_id, oldest_s: how many entries it has in hand, and the one it has had longest, as it says at its
            last heartbeat; None or "" if it is not alive: it has nothing in hand any more.
    """

    name: str
    is_alive: bool
    beat_s: float | None
    pending: int
    idle_s: float
    host: str = ""
    pid: int | None = None
    lease_s: float | None = None
    held: int | None = None
    oldest_id: str = ""
    oldest_s: float | None = None
    paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerReport:
    """A handler that this project declares in a group.

    Attributes:
        types: those it wants, sorted; () for all.
    """

    name: str
    types: tuple[str, ...]
    idempotent: bool
    max_attempts: int
    pause: Pause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReport:
    """A consumer group of a stream.

    Attributes:
        exists: False for one that handlers declare and no consumer has made yet.
        handlers: declared in this project; () for a group of another program.
        pending: read, not settled.
        unread: not read yet; counted where Redis does not know (its lag is nil).
        oldest_s: age of the oldest event it has not settled, by its entry id; None if it is up to date.
        retrying: waiting for a retry; `due` of them are due now; the next is due in `next_s` seconds.
        alive: consumers with a heartbeat.
        last_alive_s: since there was one; None if never.
        longest_s: how long one of its live consumers has had an event in hand; None if none says so.
        keys: ordering keys of events that wait for a retry, of the first of them: later events of these keys pass; ()
            in a listing.
        consumers: () in a listing.
    """

    name: str
    exists: bool
    handlers: tuple[HandlerReport, ...]
    pending: int = 0
    unread: Count = ZERO
    oldest_s: float | None = None
    retrying: int = 0
    due: int = 0
    next_s: float | None = None
    alive: int = 0
    last_alive_s: float | None = None
    longest_s: float | None = None
    last_delivered: str = ""
    pause: Pause | None = None
    replay: Replay | None = None
    keys: tuple[str, ...] = ()
    consumers: tuple[ConsumerReport, ...] = ()

    @property
    def behind(self) -> Count:
        """Events that it has not settled: unread and pending."""
        return Count(self.unread.number + self.pending, self.unread.at_least)


def group_reports(
    alias: str,
    topic: str,
    declaration: str,
    seen: StreamSeen,
    noted: Mapping[tuple[str, str], GroupNoted | BusError],
    now_ms: int,
) -> tuple[GroupReport, ...]:
    """Return the groups of a stream, in the order of their names: those that are, and those that handlers declare.

    Args:
        declaration: name that the stream is declared under; "" if nothing declares it.
        noted: per topic and group.
    """
    handlers: dict[str, list[HandlerReport]] = {}
    pauses = {(pause.group, pause.handler): pause for pause in seen.pauses}
    for each in registry.handlers(alias):
        if declaration and each.stream == declaration:
            report = HandlerReport(
                name=each.name,
                types=tuple(sorted(each.types or ())),
                idempotent=each.idempotent,
                max_attempts=each.retry.max_attempts,
                pause=pauses.get((each.group, each.name)),
            )
            handlers.setdefault(each.group, []).append(report)
    found = []
    for group in seen.groups:
        side = noted.get((topic, group.name))
        known = side if isinstance(side, GroupNoted) else NOTHING
        found.append(_group(group, known, tuple(handlers.pop(group.name, ())), pauses.get((group.name, "")), now_ms))
    for name, declared in handlers.items():
        found.append(
            GroupReport(
                name=name,
                exists=False,
                handlers=tuple(declared),
                unread=Count(seen.length),
                oldest_s=_age_s(seen.first_id, now_ms) if seen.first_id else None,
                pause=pauses.get((name, "")),
            )
        )
    return tuple(sorted(found, key=lambda group: group.name))


def consumers(asking: Asking, groups: Sequence[tuple[str, str]]) -> list[tuple[ConsumerReport, ...]]:
    """Return the consumers of each of these groups, live ones first; () for a group that cannot be read.

    Args:
        groups: topic and group.

    Raises BusError if Redis cannot be asked at all.
    """
    noted = groups_noted(asking, groups, whole=True)
    now_ms = asking.now_ms()
    return [_consumers(each, now_ms) if isinstance(each, GroupNoted) else () for each in noted]


def _group(
    seen: GroupSeen, noted: GroupNoted, handlers: tuple[HandlerReport, ...], pause: Pause | None, now_ms: int
) -> GroupReport:
    ages_s = [_age_s(entry_id, now_ms) for entry_id in (seen.lowest, seen.first) if entry_id]
    alive = [record for record in noted.records.values() if _is_alive(record, now_ms)]
    longest = [s for record in alive if (s := record.seconds("oldest_ms")) is not None and record.text("oldest")]
    return GroupReport(
        name=seen.name,
        exists=True,
        handlers=handlers,
        pending=seen.pending,
        unread=seen.unread,
        oldest_s=max(ages_s, default=None),
        retrying=noted.retrying,
        due=noted.due,
        next_s=(noted.next_ms - now_ms) / 1000 if noted.next_ms is not None and isfinite(noted.next_ms) else None,
        alive=len(alive),
        last_alive_s=max(0.0, (now_ms - seen.alive_ms) / 1000) if seen.alive_ms is not None else None,
        longest_s=max(longest, default=None),
        last_delivered=seen.last_delivered,
        pause=pause,
        replay=noted.replay and replace(noted.replay, is_consumed=was_consumed(seen.alive_ms, now_ms)),
        keys=noted.keys,
        consumers=_consumers(noted, now_ms),
    )


def _consumers(noted: GroupNoted, now_ms: int) -> tuple[ConsumerReport, ...]:
    if noted.consumers is None:
        return ()
    records = dict(noted.records)
    found = [_consumer(consumer, records.pop(consumer.name, None), now_ms) for consumer in noted.consumers]
    found += [  # those that have joined and not read yet
        _consumer(ConsumerSeen(name, 0, 0), record, now_ms)
        for name, record in records.items()
        if _is_alive(record, now_ms)
    ]
    return tuple(sorted(found, key=lambda report: (not report.is_alive, report.name)))


def _consumer(seen: ConsumerSeen, record: Record | None, now_ms: int) -> ConsumerReport:
    report = ConsumerReport(
        name=seen.name, is_alive=False, beat_s=None, pending=seen.pending, idle_s=seen.idle_ms / 1000
    )
    if record is None:
        return report
    beat_ms, is_alive = record.number("beat"), _is_alive(record, now_ms)
    return replace(
        report,
        is_alive=is_alive,
        beat_s=None if beat_ms is None else max(0.0, (now_ms - beat_ms) / 1000),
        host=record.text("host"),
        pid=record.whole("pid"),
        lease_s=record.seconds("lease_ms"),
        held=record.whole("held") if is_alive else None,
        oldest_id=record.text("oldest") if is_alive else "",
        oldest_s=record.seconds("oldest_ms") if is_alive and record.text("oldest") else None,
        paused=record.flag("paused"),
    )


def _is_alive(record: Record, now_ms: int) -> bool:
    beat_ms = record.number("beat")
    return beat_ms is not None and now_ms - beat_ms < ALIVE_MS


def _age_s(entry_id: str, now_ms: int) -> float:
    return max(0.0, (now_ms - id_ms(entry_id)) / 1000)
