"""Channels: which are heard, by how many, who is in their rooms, and what is said just now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .asking import Asking
from .values import Count

LISTED = 10_000
"""Redis lists its channels all at once or not at all: above this number it is not asked to."""


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
class ListenerReport:
    """A process that listens, as its last heartbeat says.

    Attributes:
        name: host and pid.
        what: "listen_pattern" or "relay".
        is_alive: that is younger than ten seconds.
        beat_s: how old it is.
        topics: names and patterns, the first of them.
        delivered, dropped, gaps: since it began.
        sockets: browsers that a relay serves.
    """

    name: str
    what: str
    is_alive: bool
    beat_s: float
    topics: tuple[str, ...]
    delivered: int = 0
    dropped: int = 0
    gaps: int = 0
    sockets: int = 0


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A message that was heard. Texts are printable and capped.

    Attributes:
        text: the data as JSON or text; None if who asks may not see it.
    """

    topic: str
    type: str
    event_id: str
    time: str
    text: str | None


def channels(asking: Asking) -> ChannelsReport:
    """Return the channels of the bus, and who listens. Raises BusError."""
    raise NotImplementedError


def channel(asking: Asking, topic: str) -> ChannelReport:
    """Return one channel, with who is there. Raises BusError."""
    raise NotImplementedError


def hear(asking: Asking, topics: Sequence[str], *, seconds: float, most: int = 200, payloads: bool) -> list[Heard]:
    """Listen for a while and return what came.

    Args:
        topics: names, and declared channels with placeholders in them. Nothing else is ever made a pattern.
        seconds: how long, at most 10.

    Raises ConfigurationError for a topic that no channel declares, BusError.
    """
    raise NotImplementedError
