"""Streams and their groups: how long, how far behind, who works on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from .. import consuming, registry
from ..core.config import Retention
from ..core.exceptions import BusError, PublishError
from ..core.keys import streams_key
from ..core.patterns import LONGEST
from ..core.telling import printable
from .asking import Asking
from .groups import ConsumerReport, GroupReport, HandlerReport, group_reports
from .looking import GroupNoted, StreamSeen, groups_noted, id_ms, streams_seen
from .trimming import removable
from .values import ZERO, Count, Page

__all__ = ["ConsumerReport", "GroupReport", "HandlerReport", "StreamReport", "named", "stream", "streams"]

COUNTED_IN_LISTINGS = 1_000
"""Unread entries counted at most for each group in a listing, where Redis does not know their number."""
COUNTED = 10_000
"""The same for one stream."""
GROUPS_IN_LISTINGS = 20
"""Groups of each stream in a listing, those with most to do; and those that this project's handlers are in."""
GROUPS = 100
"""The same for one stream."""
KNOWN = 10_000
"""Streams that consumers have opened are listed up to this number."""
TROUBLE_CHARS = 300


KEEP = Retention(count=None)
"""Nothing is removed from a stream that nothing declares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReport:
    """A stream.

    Attributes:
        declaration: name it is declared under ("tenant:{tenant}:orders"); "" if nothing declares it.
        trouble: why Redis does not tell of it (another type of key, no permission); "" if it does.
        exists: there is such a key, also one of another type.
        length: entries in it.
        bytes: of memory; None where Redis does not tell.
        last_id: the last that was ever given: the next is higher, also if that entry is gone.
        added: entries ever added.
        per_s: rate of the newest entries; None where there are too few to say.
        dead: dead letters.
        oldest_s: greatest of its groups.
        retention: what holds for it.
        removable: what trimming by it would remove now; not counted in a listing.
        groups: those that this project's handlers are in, and those with most to do, up to a number.
        more_groups: how many others there are.
    """

    topic: str
    declaration: str
    trouble: str = ""
    exists: bool = False
    length: int = 0
    bytes: int | None = None
    first_id: str = ""
    last_id: str = ""
    added: int = 0
    per_s: float | None = None
    dead: int = 0
    retention: Retention
    removable: Count = ZERO
    groups: tuple[GroupReport, ...] = ()
    more_groups: int = 0

    @property
    def oldest_s(self) -> float | None:
        """Age of the oldest event that some group has not settled; None if all are up to date."""
        return max((group.oldest_s for group in self.groups if group.oldest_s is not None), default=None)


def streams(asking: Asking, *, after: str = "", count: int = 50) -> Page[StreamReport]:
    """Return the streams of the bus: declared ones without placeholders, and those that consumers have opened.

    Raises BusError if Redis cannot be asked at all.
    """
    names, is_cut = _names(asking)
    left = [name for name in names if name > after]
    shown = left[:count]
    return Page(
        items=_reports(asking, shown, whole=False),
        following=shown[-1] if len(left) > len(shown) else None,
        looked_at=len(shown),
        cut_short=is_cut,
    )


def named(asking: Asking, topics: Sequence[str]) -> tuple[StreamReport, ...]:
    """Return these streams as `streams` does. Raises as it does."""
    return _reports(asking, topics, whole=False)


def stream(asking: Asking, topic: str, group: str = "") -> StreamReport:
    """Return one stream with everything about its groups and consumers, whether or not it is declared or exists.

    Args:
        group: that is among its groups if it exists, however many there are.

    Raises BusError if Redis cannot be asked.
    """
    [report] = _reports(asking, [topic], whole=True, group=group)
    if not report.length or report.retention == KEEP:
        return report
    try:
        return replace(report, removable=removable(asking, topic, report.retention))
    except BusError:  # there is all the rest to be shown
        return replace(report, removable=Count(0, at_least=True))


def _names(asking: Asking) -> tuple[list[str], bool]:
    """Return the names of all streams in their order, and whether there are too many to list them all."""
    names = {each.name for each in registry.streams(asking.bus.alias) if not each.pattern.parameters}
    key, is_cut, opened = streams_key(asking.config.key_prefix), False, []
    try:
        is_cut = asking.call("SCARD", key) > KNOWN
        opened = asking.call("SSCAN", key, 0, "COUNT", KNOWN)[1] if is_cut else asking.call("SMEMBERS", key)
    except PublishError:  # not permitted, or no set
        pass
    for raw in opened:
        try:
            name = raw.decode()
        except UnicodeDecodeError:  # nobody of us
            continue
        if 0 < len(name) <= LONGEST:
            names.add(name)
    return sorted(names), is_cut


def _reports(asking: Asking, topics: Sequence[str], *, whole: bool, group: str = "") -> tuple[StreamReport, ...]:
    always = {topic: _declared(asking, topic) + ([(group, "")] if group else []) for topic in topics}
    seen = streams_seen(
        asking,
        topics,
        most=COUNTED if whole else COUNTED_IN_LISTINGS,
        groups=GROUPS if whole else GROUPS_IN_LISTINGS,
        always=always,
    )
    there = [
        (topic, group.name)
        for topic, each in zip(topics, seen, strict=True)
        if isinstance(each, StreamSeen)
        for group in each.groups
    ]
    noted = dict(zip(there, groups_noted(asking, there, whole=whole), strict=True))
    now_ms = asking.now_ms()
    return tuple(_report(asking, topic, each, noted, now_ms) for topic, each in zip(topics, seen, strict=True))


def _declared(asking: Asking, topic: str) -> list[tuple[str, str]]:
    """Return the groups of this project's handlers of a stream, each with the handler."""
    declared = registry.find_stream(asking.bus.alias, topic)
    handlers = registry.handlers(asking.bus.alias) if declared is not None else ()
    return [(each.group, each.name) for each in handlers if declared is not None and each.stream == declared.name]


def _report(
    asking: Asking,
    topic: str,
    seen: StreamSeen | BusError,
    noted: Mapping[tuple[str, str], GroupNoted | BusError],
    now_ms: int,
) -> StreamReport:
    declared = registry.find_stream(asking.bus.alias, topic)
    declaration = declared.name if declared is not None else ""
    retention = consuming.retention(asking.bus, declared) if declared is not None else KEEP
    if isinstance(seen, BusError):
        trouble = printable(str(seen))[:TROUBLE_CHARS]
        return StreamReport(topic=topic, declaration=declaration, trouble=trouble, retention=retention)
    if seen.kind not in ("stream", "none"):
        kind = printable(seen.kind)[:TROUBLE_CHARS]
        trouble = _("The key is of another type: %(kind)s.") % {"kind": kind}
        return StreamReport(topic=topic, declaration=declaration, trouble=trouble, exists=True, retention=retention)
    return StreamReport(
        topic=topic,
        declaration=declaration,
        exists=seen.kind == "stream",
        length=seen.length,
        bytes=seen.bytes,
        first_id=seen.first_id,
        last_id=seen.last_id,
        added=seen.added,
        per_s=_per_s(seen, now_ms),
        dead=seen.dead,
        retention=retention,
        groups=group_reports(asking.bus.alias, topic, declaration, seen, noted, now_ms),
        more_groups=seen.groups_in_all - len(seen.groups),
    )


def _per_s(seen: StreamSeen, now_ms: int) -> float | None:
    number, oldest = seen.newest
    passed_ms = now_ms - id_ms(oldest) if number > 1 else 0
    return number / passed_ms * 1000 if passed_ms > 0 else None
