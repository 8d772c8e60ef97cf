"""Bus: publish events to one configured Redis. `bus` is the default one, `buses["eu"]` another."""

from __future__ import annotations

import os
import warnings
from asyncio import _get_running_loop as get_event_loop_if_running
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from time import time
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, Unpack, cast

from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.functional import LazyObject, empty

from . import conf, registry
from .core.causation import cause_of, handling
from .core.config import BusConfig
from .core.envelope import attribute, dataschema, encode
from .core.events import Message, Published
from .core.exceptions import (
    BusError,
    ConfigurationError,
    EventTooLarge,
    PayloadError,
    UnknownTopic,
    UnreadableEntry,
    did_you_mean,
)
from .core.keys import stream_key
from .core.serializers import compress
from .encoding import serializers
from .transport.clients import Clients
from .transport.publish import aappend, append

if TYPE_CHECKING:
    from .topics import BoundStream, Stream


class Attributes(TypedDict, total=False):
    """What may be said of an event beside its data. See Stream.publish."""

    type: str | None
    key: str | None
    subject: str | None
    id: str | None
    time: datetime | None
    extensions: Mapping[str, str] | None


Topic: TypeAlias = "Stream | BoundStream | str"
Item: TypeAlias = "Message | tuple[Topic, Any]"
Result: TypeAlias = Published | BusError


class Bus:
    """One configured Redis. Made by `buses`, one per alias; nothing is connected before its first use."""

    def __init__(self, config: BusConfig) -> None:
        self.config = config
        self.alias = config.alias
        self.clients = Clients(
            config.location,
            options=config.options,
            timeout_s=config.timeout_s,
            embedded_dir=conf.embedded_dir(),
        )
        self._serializer = serializers()[config.serializer]
        self._clock = (-1, "")

    def __repr__(self) -> str:
        return f"Bus({self.alias!r}, {self.clients.where})"

    # --- publish

    def publish(self, topic: Topic, data: Any, **attributes: Unpack[Attributes]) -> Published:
        """Publish one event. `topic` is a Stream or the name of a declared one; the rest as for Stream.publish."""
        return _one(self.send([self.message(topic, data, **attributes)]))

    async def apublish(self, topic: Topic, data: Any, **attributes: Unpack[Attributes]) -> Published:
        """The async twin of `publish`."""
        return _one(await self.asend([self.message(topic, data, **attributes)]))

    def publish_many(self, items: Sequence[Item]) -> list[Result]:
        """Publish many events in one round trip.

        Args:
            items: (topic, data) pairs, or Messages made by `message` where attributes are needed.

        Returns:
            one result per item, in order: Published, or the BusError that this item met. Nothing is raised for an
            item; the others are sent.
        """
        ready = [self._prepare(item) for item in items]
        sent = iter(self.send([m for m in ready if isinstance(m, Message)]))
        return [next(sent) if isinstance(m, Message) else m for m in ready]

    async def apublish_many(self, items: Sequence[Item]) -> list[Result]:
        """The async twin of `publish_many`."""
        ready = [self._prepare(item) for item in items]
        sent = iter(await self.asend([m for m in ready if isinstance(m, Message)]))
        return [next(sent) if isinstance(m, Message) else m for m in ready]

    def send(self, messages: Sequence[Message]) -> list[Result]:
        """Send encoded messages in one round trip; one result per message, nothing is raised."""
        if get_event_loop_if_running() is not None:
            warnings.warn(_BLOCKS, RuntimeWarning, stacklevel=3)
        prefix = self.config.key_prefix
        replies = append(self.clients, [(stream_key(prefix, m.topic), m.fields) for m in messages])
        return [_result(m, reply) for m, reply in zip(messages, replies, strict=True)]

    async def asend(self, messages: Sequence[Message]) -> list[Result]:
        """The async twin of `send`."""
        prefix = self.config.key_prefix
        replies = await aappend(self.clients, [(stream_key(prefix, m.topic), m.fields) for m in messages])
        return [_result(m, reply) for m, reply in zip(messages, replies, strict=True)]

    def _prepare(self, item: Item) -> Message | BusError:
        if isinstance(item, Message):
            return item
        try:
            topic, data = item
            return self.message(topic, data)
        except BusError as error:
            return error

    # --- encode

    def stream(self, name: str) -> Stream:
        """Return the declared stream that `name` is. Raises UnknownTopic, listing the known ones."""
        found = registry.find_stream(self.alias, name)
        if found is None:
            raise UnknownTopic.among(name, [s.name for s in registry.streams(self.alias)], alias=self.alias)
        return found

    def message(self, topic: Topic, data: Any, **attributes: Unpack[Attributes]) -> Message:
        """Encode and validate an event now, to be sent later by `send`. Arguments as for `publish`."""
        if isinstance(topic, str):
            from .topics import BoundStream

            return self.encode(BoundStream(self.stream(topic), topic), data, **attributes)
        return topic.message(data, **attributes)

    def encode(
        self,
        topic: BoundStream,
        data: Any,
        *,
        type: str | None = None,
        key: str | None = None,
        subject: str | None = None,
        id: str | None = None,
        time: datetime | None = None,
        extensions: Mapping[str, str] | None = None,
    ) -> Message:
        """Return the message for a concrete stream of this bus. See Stream.publish for the arguments and errors."""
        payloads = topic.stream.payloads
        config = self.config
        if topic.stream.bus_alias != self.alias:
            raise ConfigurationError(
                f"{topic.stream!r} belongs to bus {topic.stream.bus_alias!r}, not to {self.alias!r}."
            )
        event_type = attribute("type", type) if type else self._type_of(topic, data)
        encoded = self._encode_data(topic.name, data)
        try:
            payloads.check_encoded(event_type, encoded, self._serializer)
        except UnreadableEntry as error:
            raise PayloadError(str(error), topic=topic.name) from None
        compressed = config.compress_over is not None and len(encoded) > config.compress_over
        cause = cause_of(handling.get(), max_hops=config.max_hops)
        event_id = attribute("id", id) if id else os.urandom(16).hex()
        fields = encode(
            event_id=event_id,
            source=config.source,
            event_type=event_type,
            time_text=self._now() if time is None else _time_text(time),
            content_type=self._serializer.content_type,
            data=compress(encoded) if compressed else encoded,
            subject=subject,
            key=key,
            schema=None if payloads.version == 1 else dataschema(topic.stream.name, payloads.version),
            compressed=compressed,
            cause=cause,
            traceparent=cause.traceparent if cause else None,
            extensions=extensions,
        )
        return Message(topic=topic.name, event_id=event_id, type=event_type, fields=fields)

    def _type_of(self, topic: BoundStream, data: Any) -> str:
        payloads = topic.stream.payloads
        found = payloads.type_of(data)
        if found is not None:
            return found
        if payloads.by_type is not None:
            raise PayloadError(
                f"Stream {topic.name!r} has several event types; say type=…. {did_you_mean('', payloads.by_type)}",
                topic=topic.name,
            )
        return f"{self.config.source}.{topic.stream.name.replace(':', '.')}"

    def _encode_data(self, topic: str, data: Any) -> bytes:
        try:
            encoded = self._serializer.encode(data)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise PayloadError(f"Stream {topic!r}: the data cannot be encoded: {error}.", topic=topic) from error
        if len(encoded) > self.config.max_event_bytes:
            raise EventTooLarge(
                f"Stream {topic!r}: {len(encoded)} bytes of data, MAX_EVENT_BYTES is {self.config.max_event_bytes}. "
                "Publish a reference to where the data is instead.",
                topic=topic,
            )
        return encoded

    def _now(self) -> str:
        """RFC 3339, UTC. `isoformat` on each event would cost as much as encoding its data."""
        now = time()
        second, text = self._clock
        if second != int(now):
            second = int(now)
            text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._clock = (second, text)
        return f"{text}.{int((now - second) * 1e6):06d}Z"


_BLOCKS = "A synchronous publish blocks the running event loop; use its async twin: apublish, apublish_many, asend."


def _one(results: list[Result]) -> Published:
    if isinstance(results[0], BusError):
        raise results[0]
    return results[0]


def _result(message: Message, reply: str | BusError) -> Result:
    if isinstance(reply, BusError):
        return reply
    return Published(topic=message.topic, event_id=message.event_id, entry_id=reply)


def _time_text(value: datetime) -> str:
    if value.tzinfo is None:
        raise PayloadError("The event's time must be aware; use django.utils.timezone.now().", path="time")
    return value.isoformat()


class Buses(Mapping[str, Bus]):
    """Every configured bus by its alias, as `caches` and `connections` are."""

    def __init__(self) -> None:
        self._made: dict[str, Bus] = {}
        self._lock = Lock()

    def __getitem__(self, alias: str) -> Bus:
        made = self._made.get(alias)
        if made is None:
            with self._lock:
                made = self._made.get(alias)
                if made is None:
                    made = self._made[alias] = self._make(alias)
        return made

    def _make(self, alias: str) -> Bus:
        known = conf.configs()
        if alias not in known:
            raise ConfigurationError(f"REDIS_BUS has no alias {alias!r}. {did_you_mean(alias, known).strip()}")
        for problem in conf.problems():
            raise ConfigurationError(f"{problem.message} {problem.hint} ({problem.id})")
        return Bus(known[alias])

    def __iter__(self) -> Iterator[str]:
        return iter(conf.configs())

    def __len__(self) -> int:
        return len(conf.configs())

    def __contains__(self, alias: object) -> bool:
        return alias in conf.configs()

    def reset(self) -> None:
        """Close and forget every bus; settings have changed."""
        with self._lock:
            for made in self._made.values():
                made.clients.close()
            self._made.clear()


buses = Buses()


class _DefaultBus(LazyObject):  # type: ignore[type-arg]
    def _setup(self) -> None:
        self._wrapped = buses["default"]


_default = _DefaultBus()
bus = cast("Bus", _default)
"""The bus under the alias "default"."""


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    # `conf` has been imported before this module, so its receiver has run before this one.
    if setting in ("REDIS_BUS", "BASE_DIR"):
        buses.reset()
        _default._wrapped = cast("Any", empty)
