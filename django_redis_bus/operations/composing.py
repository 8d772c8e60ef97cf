"""Events made by hand: what can be published, what its payload asks for, and the event as it would be sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

import msgspec

from .. import registry
from ..bus import Bus
from ..core.config import PublisherConfig
from ..core.events import Message, Published
from ..core.exceptions import BusError, ConfigurationError, PayloadError, UnknownTopic, UnreadableEntry
from ..core.telling import printable
from ..core.topics import Address, ChannelTopic, StreamTopic
from ..publishers.matching import find_model
from ..publishers.models import type_text as model_type
from ..publishers.signals import type_text as signal_type
from .shapes import Shape, shape_of

SHOWN_CHARS = 20_000
"""So much of the data is shown before it is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A declared stream or channel.

    Attributes:
        name: as declared, placeholders included.
        parameters: its placeholders.
        types: event types that are known for it, the most likely first.
        closed: it takes no others.
    """

    name: str
    what: Literal["stream", "channel"]
    parameters: tuple[str, ...]
    types: tuple[str, ...]
    closed: bool


def targets(bus: Bus) -> tuple[Target, ...]:
    """Return what can be published to by hand: streams, then channels, each in the order of their names."""
    return tuple(_target(bus, topic) for topic in _topics(bus))


def target(bus: Bus, name: str) -> Target | None:
    """Return the stream or channel declared under this very name, or that a concrete name belongs to."""
    topic = _topic(bus, name)
    return None if topic is None else _target(bus, topic)


def shape(bus: Bus, name: str, type: str) -> Shape:
    """Return what the payload of an event type of a topic asks for.

    Args:
        name: as declared, or concrete.
        type: of the event; a type that the topic does not know takes anything, and is refused when it is made.

    Raises UnknownTopic.
    """
    topic = _required(bus, name)
    try:
        return shape_of(topic.payloads.kind(type))
    except UnreadableEntry:
        return Shape()


def parameters(bus: Bus, name: str) -> dict[str, str]:
    """Return what a concrete name holds in its placeholders; empty for a name as declared, and an unknown one."""
    topic = _topic(bus, name)
    if topic is None or topic.name == name:
        return {}
    return {key: str(value) for key, value in (topic.parse(name) or {}).items()}


def compose(
    bus: Bus,
    name: str,
    data: Any,
    *,
    parameters: Mapping[str, str] | None = None,
    type: str = "",
    key: str = "",
    subject: str = "",
    id: str | None = None,
) -> Message:
    """Return the event as it would be sent: encoded, and read back as a consumer will.

    Args:
        name: as declared.
        data: plain values.
        parameters: of its placeholders.
        type, key, subject: "" for what the topic says, and for none.
        id: of the event; sent twice under one id to a stream, it is added once.

    Raises PayloadError whose path names what does not fit, UnknownTopic.
    """
    topic = _required(bus, name)
    address: Address = topic.address(parameters)
    return bus.message(address, data, type=type or None, key=key or None, subject=subject or None, id=id)


def send(bus: Bus, message: Message, *, within_s: float) -> Published:
    """Send an event that was composed. Raises BusError."""
    (result,) = bus.send([message], deadline_s=within_s)
    if isinstance(result, BusError):
        raise result
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An event as it will stand on the wire, readable.

    Attributes:
        attributes: the fields of an entry beside its data, name and value; () for a message over a channel.
        body: the data of an entry, or the whole message.
    """

    attributes: tuple[tuple[str, str], ...]
    body: str


def as_sent(message: Message) -> Sent:
    """Return an event as it will stand on the wire."""
    if message.live is not None:
        return Sent(attributes=(), body=_readable(message.fields[0]))
    *pairs, (_, body) = zip(message.fields[::2], message.fields[1::2], strict=True)
    return Sent(attributes=tuple((_text(name), printable(_text(value))) for name, value in pairs), body=_readable(body))


def data_path(error: PayloadError) -> tuple[str, str]:
    """Return the name of the payload field that an error is about, "" for the whole, and its path."""
    path = error.path
    if not path.startswith("$."):
        return "", path
    return path[2:].partition("[")[0].partition(".")[0], path


def _topics(bus: Bus) -> list[StreamTopic | ChannelTopic]:
    streams = sorted(registry.streams(bus.alias), key=attrgetter("name"))
    return [*streams, *sorted(registry.channels(bus.alias), key=attrgetter("name"))]


def _topic(bus: Bus, name: str) -> StreamTopic | ChannelTopic | None:
    return registry.find_stream(bus.alias, name) or registry.find_channel(bus.alias, name)


def _required(bus: Bus, name: str) -> StreamTopic | ChannelTopic:
    topic = _topic(bus, name)
    if topic is None:
        raise UnknownTopic.among(name, [each.name for each in _topics(bus)], alias=bus.alias, what="stream or channel")
    return topic


def _target(bus: Bus, topic: StreamTopic | ChannelTopic) -> Target:
    by_type = topic.payloads.by_type
    found = list(by_type) if by_type is not None else [*_published(bus, topic), *_wanted(bus, topic)]
    if by_type is None and not found:
        found = [".".join(filter(None, (bus.config.source, topic.pattern.fixed)))]
    return Target(
        name=topic.name,
        what="channel" if isinstance(topic, ChannelTopic) else "stream",
        parameters=topic.pattern.parameters,
        types=tuple(dict.fromkeys(found)),
        closed=by_type is not None,
    )


def _published(bus: Bus, topic: StreamTopic | ChannelTopic) -> Iterator[str]:
    """Yield the types that PUBLISHERS send to a topic, as far as they are the same for every event."""
    for config in bus.config.publishers.values():
        if config.topic == topic.name:
            yield from (text for text in _types_of(bus, config) if "{" not in text)


def _types_of(bus: Bus, config: PublisherConfig) -> list[str]:
    if config.model is None:
        return [signal_type(bus.config.source, config)]
    try:
        text = model_type(find_model(config.model), config)
    except (ConfigurationError, ImportError):
        return []  # the system checks say what is wrong with it
    return list(dict.fromkeys(text.replace("{action}", action) for action in config.actions))


def _wanted(bus: Bus, topic: StreamTopic | ChannelTopic) -> Iterator[str]:
    for handler in registry.handlers(bus.alias):
        if handler.stream == topic.name:
            yield from sorted(handler.types or ())


def _text(raw: bytes | str) -> str:
    return raw.decode(errors="backslashreplace") if isinstance(raw, bytes) else raw


def _readable(raw: bytes | str) -> str:
    text = _text(raw)
    if text.startswith(("{", "[")):
        try:
            text = msgspec.json.format(text, indent=2)
        except msgspec.DecodeError:
            pass
    return printable(text[:SHOWN_CHARS], keep="\n")
