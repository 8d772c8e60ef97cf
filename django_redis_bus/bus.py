"""Bus: publish events to one configured Redis. `bus` is the default one, `buses["eu"]` another."""

from __future__ import annotations

import warnings
from asyncio import _get_running_loop as running_loop
from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, TypeAlias, Unpack, cast

from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.functional import LazyObject, empty

from . import conf, registry
from .core.config import BusConfig
from .core.events import Message, Published
from .core.exceptions import BusError, ConfigurationError, did_you_mean
from .core.keys import stream_key
from .core.topics import Address, StreamTopic
from .messages import Attributes, MessageFactory
from .transport.clients import Clients
from .transport.publish import aappend, append

Topic: TypeAlias = StreamTopic | Address | str
Item: TypeAlias = Message | tuple[Topic, Any]
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
        self._messages = MessageFactory(config)

    def __repr__(self) -> str:
        return f"Bus({self.alias!r}, {self.clients.where})"

    async def aclose(self) -> None:
        """Close the connections of the running event loop: before the end of an `asyncio.run` of your own."""
        await self.clients.aclose()

    @property
    def url(self) -> str:
        """The URL for any other Redis client; starts the embedded server if LOCATION asks for one."""
        return self.clients.url()

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
        if running_loop() is not None:
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
        except (TypeError, ValueError):
            raise TypeError(f"publish_many takes (topic, data) pairs and Messages, not {item!r:.100}.") from None
        try:
            return self.message(topic, data)
        except BusError as error:
            return error

    # --- encode

    def message(self, topic: Topic, data: Any, **attributes: Unpack[Attributes]) -> Message:
        """Encode and validate an event now, to be sent later by `send`. Arguments as for `publish`."""
        if isinstance(topic, str):
            address = Address(registry.stream(self.alias, topic), topic)
            if address.stream.name == topic:
                address = address.stream.address()
        else:
            address = topic.address() if isinstance(topic, StreamTopic) else topic
        return self._messages.make(address, data, **attributes)


_BLOCKS = "A synchronous publish blocks the running event loop; use its async twin: apublish, apublish_many, asend."


def _one(results: list[Result]) -> Published:
    if isinstance(results[0], BusError):
        raise results[0]
    return results[0]


def _result(message: Message, reply: str | BusError) -> Result:
    if isinstance(reply, BusError):
        return reply
    return Published(topic=message.topic, event_id=message.event_id, entry_id=reply)


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

    def __repr__(self) -> str:
        return "<bus 'default'>" if self._wrapped is empty else repr(self._wrapped)


_default = _DefaultBus()
bus = cast("Bus", _default)
"""The bus under the alias "default"."""


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    # `conf` has been imported before this module, so its receiver has run before this one.
    if setting in ("REDIS_BUS", "BASE_DIR"):
        buses.reset()
        _default._wrapped = cast("Any", empty)
