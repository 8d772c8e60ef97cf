"""A bridge to existing Channels code: what is said on the bus goes to groups of a channel layer.

`manage.py listen_pattern` runs it, as a listener among the others.
"""

from __future__ import annotations

import asyncio
import logging
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Any, TypeAlias

import msgspec

from .. import registry
from ..core.events import Event
from ..core.exceptions import ConfigurationError
from ..core.listeners import QUEUE, Listener, Overflow, check_queue
from ..core.serializers import plain
from ..core.telling import ExcInfo, loggable, printable, said
from ..core.topics import Address, ChannelTopic, StreamTopic, caller
from .groups import group_name, legal

logger = logging.getLogger("django_redis_bus.bridge")

SILENCE_S = 10.0
"""Losses are told so often at most; those between are counted."""
# Channels calls the method of this name, with dots as underscores, and refuses one that begins with an underscore.
_TYPE = re.compile(r"[A-Za-z]\w*(\.\w+)*", re.ASCII)

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

Group: TypeAlias = str | Callable[[Event[Any]], str] | None


def bridge(
    topic: ChannelTopic | Address | str,
    *,
    group: Group = None,
    layer: str = "default",
    type: str = "bus.event",
    timeout_s: float = 5.0,
    queue: int = QUEUE,
    overflow: Overflow = "drop_oldest",
    presence: bool = False,
    bus: str = "default",
) -> Bridge:
    """Have `manage.py listen_pattern` send each event of a channel to a group. For a handlers.py.

    Consumers get {"type": …, "topic": "chat:lobby", "event": …}, the event as `cloud_event` makes it.

    Args:
        topic: a Channel, one with its parameters, or a name or Redis glob pattern: "orders:*".
        group: the group's name, with the channel's placeholders: "chat_{room}"; or a function that takes the event and
            returns it. Default: `group_name` of the topic. A name that Channels refuses goes through `legal`.
        layer: alias in CHANNEL_LAYERS.
        type: of the message: "chat.message" is the consumers' method `chat_message`.
        timeout_s: how long the layer may take for one event.
        queue, overflow, presence: as for a listener.
        bus: alias in REDIS_BUS, for a topic that is a text.

    Raises ConfigurationError for arguments that cannot work.
    """
    declared = topic.topic if isinstance(topic, Address) else topic
    if isinstance(declared, StreamTopic):
        raise ConfigurationError(f"{declared!r} is a stream. A bridge forwards a Channel, or a name or pattern.")
    known = declared.pattern.parameters if isinstance(declared, ChannelTopic) else ()
    name = topic if isinstance(topic, str) else topic.name
    place = f"{caller()}: bridge of {name!r}"
    used = _PLACEHOLDER.findall(group) if isinstance(group, str) else []
    if unknown := [each for each in used if each not in known]:
        raise ConfigurationError(
            f"{place}: {{{unknown[0]}}} in group is no placeholder of the channel; there are: "
            f"{', '.join(known) or 'none'}."
        )
    if not _TYPE.fullmatch(type):
        raise ConfigurationError(f"{place}: type {type!r} names no method of a consumer; for example 'bus.event'.")
    if not timeout_s > 0:
        raise ConfigurationError(f"{place}: timeout_s is a number of seconds above 0.")
    check_queue(place, queue, overflow, None)
    made = Bridge(name, group=group, layer=layer, type=type, timeout_s=timeout_s)

    async def forward(event: Event[Any], **parameters: object) -> None:
        await made.send(event, **parameters)

    forward.channel_layer = layer  # type: ignore[attr-defined]  # the checks look for it
    registry.add_listener(
        declared.bus_alias if isinstance(declared, ChannelTopic) else bus,
        Listener(
            name=_own(f"{place} to {_label(group)} of layer {layer!r}", group),
            fn=forward,
            is_async=True,
            channel=name,
            parameters=tuple(dict.fromkeys(used)),
            queue=queue,
            overflow=overflow,
            presence=presence,
        ),
    )
    return made


_groups: dict[str, Group] = {}


def _own(name: str, group: Group) -> str:
    """Return a name that no bridge to another group has. A module that is imported again finds those that it had."""
    tried, number = name, 1
    while _code(_groups.setdefault(tried, group)) != _code(group):
        number += 1
        tried = f"{name} ({number})"
    return tried


def _code(group: Group) -> object:
    return getattr(group, "__code__", group)


def _label(group: Group) -> str:
    return getattr(group, "__qualname__", "a group") if callable(group) else repr(group) if group else "its own group"


class Bridge:
    """Sends the events of one topic to groups.

    Attributes:
        layer: alias in CHANNEL_LAYERS.
        counts: "sent" and "lost", events.
    """

    def __init__(self, topic: str, *, group: Group, layer: str, type: str, timeout_s: float) -> None:
        self.topic = topic
        self.layer = layer
        self.counts: Counter[str] = Counter()
        self._group = group
        self._type = type
        self._timeout_s = timeout_s
        self._failing_since: float | None = None
        self._silent_until = 0.0
        self._unsaid = 0

    def __repr__(self) -> str:
        return f"Bridge({self.topic!r}, layer={self.layer!r}, type={self._type!r})"

    async def send(self, event: Event[Any], **parameters: object) -> None:
        """Send one event to its group. What the layer does not take is counted and logged, never raised."""
        try:
            group = self._group_of(event, parameters)
            message = {"type": self._type, "topic": event.topic, "event": cloud_event(event)}
        except Exception as error:  # of the function that names the group, or data that JSON cannot hold
            text, exc_info = loggable(error)
            self._lost(event, f"{type(error).__name__}.{text}", exc_info)
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                await _layer(self.layer).group_send(group, message)
        except TimeoutError:
            self._lost(event, f"no answer in {self._timeout_s:g} s")
        except Exception as error:
            self._lost(event, f"{type(error).__name__}: {printable(said(error))}")
        else:
            self.counts["sent"] += 1
            if self._failing_since is not None:
                self._works_again(monotonic() - self._failing_since)

    def _group_of(self, event: Event[Any], parameters: dict[str, object]) -> str:
        if self._group is None:
            return group_name(event.topic)
        if callable(self._group):
            return legal(self._group(event))
        return legal(_PLACEHOLDER.sub(lambda match: str(parameters[match[1]]), self._group))

    def _lost(self, event: Event[Any], why: str, exc_info: ExcInfo | None = None) -> None:
        now = monotonic()
        self.counts["lost"] += 1
        self._unsaid += 1
        if self._failing_since is None:
            self._failing_since = now
        if now >= self._silent_until:
            self._silent_until = now + SILENCE_S
            logger.warning(
                "%d lost for channel layer %r, the last of them of %s: %s",
                *(self._unsaid, self.layer, printable(event.topic), why),
                exc_info=exc_info,
            )
            self._unsaid = 0

    def _works_again(self, seconds: float) -> None:
        self._failing_since = None
        if self._unsaid or seconds > 1:
            logger.info("Channel layer %r takes messages again, after %.1f s; %d more lost.",
                        self.layer, seconds, self._unsaid)  # fmt: skip
        self._unsaid = 0


def cloud_event(event: Event[Any]) -> dict[str, Any]:
    """Return an event as plain values, for JSON or MessagePack: the CloudEvents 1.0 attributes and `data`.

    Bytes become `data_base64`, as the JSON format of CloudEvents has it.
    """
    members = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": event.time_text,
        "subject": event.subject,
        "partitionkey": event.key,
        "traceparent": event.traceparent,
        "correlationid": event.correlation_id,
        "causationid": event.causation_id,
        "hops": event.hops or None,
        **event.extensions,
        "epoch": event.epoch,
        "offset": event.offset,
        "ephemeral": event.ephemeral or None,
        "foreign": event.foreign or None,
    }
    found = {name: value for name, value in members.items() if value is not None}
    if isinstance(event.data, bytes):
        return found | {"data_base64": b64encode(event.data).decode()}
    data = msgspec.to_builtins(event.data, str_keys=True, enc_hook=plain)
    return found | {"datacontenttype": "application/json", "data": data}


def _layer(alias: str) -> Any:
    from channels.layers import get_channel_layer

    layer = get_channel_layer(alias)
    if layer is None:
        raise ConfigurationError(f"CHANNEL_LAYERS has no alias {alias!r}.")
    return layer
