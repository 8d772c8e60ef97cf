"""Which channel a name from a browser belongs to."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from .. import registry
from ..bus import Bus
from ..core.exceptions import UnknownTopic
from ..core.patterns import Pattern
from ..core.topics import ChannelTopic
from ..revoking import CONTROL
from .protocol import LONGEST_TOPIC

logger = logging.getLogger("django_redis_bus.relay")
_told: set[tuple[str, str]] = set()


@dataclass(slots=True)
class Membership:
    """A connection in a room, or on its way there."""

    topic: str
    channel: ChannelTopic
    parameters: dict[str, Any]
    can_publish: bool = False
    pushed: bool = False
    """It is in because the settings say so, not because it asked."""


def find(bus: Bus, topic: str) -> Membership | None:
    """Return the declared channel that a name belongs to, None if there is none.

    A name is only ever matched against declarations, as a whole, and never used as a pattern. Names of Redis's own and
    of the bus's own channels belong to nobody.
    """
    if len(topic) > LONGEST_TOPIC or topic.startswith("__") or topic == CONTROL:
        return None
    try:
        channel = registry.channel(bus.alias, topic)
    except UnknownTopic:
        return None
    parameters = channel.parse(topic)
    if parameters is None:
        return None
    if channel.can_join is None:
        _tell_closed(bus, channel)
    return Membership(topic, channel, parameters)


def _tell_closed(bus: Bus, channel: ChannelTopic) -> None:
    """Say once that no browser may join a channel: a page is told only that its user may not."""
    if (bus.alias, channel.name) in _told:
        return
    _told.add((bus.alias, channel.name))
    if not any(Pattern(text).overlaps(Pattern(channel.name)) for text in bus.config.relay.push):
        logger.warning(
            "%r has no can_join, so no browser may join it, and one has asked to. Say who may: can_join=signed_in.",
            channel,
        )
