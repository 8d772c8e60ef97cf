"""Which channel a name from a browser belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import registry
from ..bus import Bus
from ..core.exceptions import UnknownTopic
from ..core.topics import ChannelTopic
from ..revoking import CONTROL
from .protocol import LONGEST_TOPIC


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
    return None if parameters is None else Membership(topic, channel, parameters)
