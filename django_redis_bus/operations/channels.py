"""Channels: which are heard, by how many, who is in their rooms, and what is said just now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from .. import registry
from ..core.exceptions import AccessRefused
from ..core.keys import ChannelKeys
from ..core.patterns import LONGEST
from .asking import Asking, value
from .hearing import Heard, hear
from .listeners import ListenerReport, listeners
from .server import info, number
from .values import Count

__all__ = ["ChannelReport", "ChannelsReport", "Heard", "ListenerReport", "channel", "channels", "hear"]

LISTED = 10_000
"""Redis lists its channels all at once or not at all: above this number it is not asked to."""
SHOWN = 200
PEOPLE = 100
PERSON_BYTES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelReport:
    """A channel.

    Attributes:
        declaration: that it belongs to ("chat:{room}"); "" if none.
        subscribers: connections that subscribe to its very name.
        kept: messages in its history; None if it keeps none.
        sockets: browsers in the room; None if it tells no presence.
        people: what others see of those who are there, plain values, of the first hundred; () in a listing.
    """

    topic: str
    declaration: str
    subscribers: int
    kept: int | None = None
    sockets: int | None = None
    people: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelsReport:
    """The channels of a bus.

    Attributes:
        channels: declared ones without placeholders, then those that are subscribed to now, at most 200.
        active: how many of the whole server are subscribed to.
        patterns: how many patterns of the whole server are subscribed to; Redis does not tell which.
        unlisted: there are too many to list; look one up by its name.
    """

    channels: tuple[ChannelReport, ...]
    listeners: tuple[ListenerReport, ...]
    active: Count
    patterns: int
    unlisted: bool = False


def channels(asking: Asking) -> ChannelsReport:
    """Return the channels of the bus, and who listens. Raises BusError."""
    [stats] = asking.many([("INFO", "stats")])
    said = info(None if isinstance(stats, AccessRefused) else value(stats))
    active, patterns = number(said, "pubsub_channels"), number(said, "pubsub_patterns")
    names = [each.name for each in registry.channels(asking.bus.alias) if not each.pattern.parameters]
    unlisted = active is None or active > LISTED
    subscribed = [] if unlisted else [name for name in _subscribed(asking) if name not in names]
    return ChannelsReport(
        channels=_reports(asking, [*names, *subscribed][:SHOWN]),
        listeners=listeners(asking),
        active=Count(active or 0, at_least=active is None),
        patterns=patterns or 0,
        unlisted=unlisted,
    )


def channel(asking: Asking, topic: str) -> ChannelReport:
    """Return one channel, with who is there. Raises BusError."""
    [report] = _reports(asking, [topic])
    if report.sockets is None:
        return report
    keys = ChannelKeys(asking.key(topic))
    # A hash answers a scan with all it has, as long as it is small.
    flat = asking.call("HSCAN", keys.people, 0, "COUNT", PEOPLE)[1]
    return replace(report, people=tuple(map(_person, flat[1 : 2 * PEOPLE : 2])))


def _subscribed(asking: Asking) -> list[str]:
    """Return the names of the bus that connections subscribe to, without its prefix, in their order."""
    prefix = asking.key("")  # without glob characters: KEY_PREFIX may not have any
    found = []
    for raw in asking.call("PUBSUB", "CHANNELS", f"{prefix}*"):
        try:
            name = raw.decode().removeprefix(prefix)
        except UnicodeDecodeError:  # nobody's of the bus
            continue
        if 0 < len(name) <= LONGEST:
            found.append(name)
    return sorted(found)


def _reports(asking: Asking, topics: Sequence[str]) -> tuple[ChannelReport, ...]:
    asked: list[Sequence[Any]] = [("PUBSUB", "NUMSUB", *map(asking.key, topics))]
    now_ms = asking.now_ms()
    for topic in topics:
        keys = ChannelKeys(asking.key(topic))
        asked += [("XLEN", keys.history), ("ZCOUNT", keys.members, f"({now_ms}", "+inf")]
    subscribers, *sizes = asking.many(asked)
    numbers = value(subscribers)[1::2]
    return tuple(
        _report(asking.bus.alias, topic, number, *map(_size, pair))
        for topic, number, pair in zip(topics, numbers, zip(sizes[::2], sizes[1::2], strict=True), strict=True)
    )


def _report(alias: str, topic: str, subscribers: int, kept: int, sockets: int) -> ChannelReport:
    declared = registry.find_channel(alias, topic)
    if declared is not None:
        declared = registry.channel(alias, declared.name)
    keeps, presence = (declared.keeping.history, declared.presence) if declared is not None else (0, False)
    return ChannelReport(
        topic=topic,
        declaration=declared.name if declared is not None else "",
        subscribers=subscribers,
        kept=kept if keeps or kept else None,
        sockets=sockets if presence or sockets else None,
    )


def _size(reply: Any) -> int:
    return reply if isinstance(reply, int) else 0  # not permitted, or another type of key


def _person(raw: bytes) -> Any:
    """Return what others see of somebody: "<number of sockets> <JSON>"."""
    try:
        return msgspec.json.decode(raw.partition(b" ")[2][:PERSON_BYTES])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
