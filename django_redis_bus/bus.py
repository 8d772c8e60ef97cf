"""Bus: publish events to one configured Redis. `bus` is the default one, `buses["eu"]` another."""

from __future__ import annotations

import os
import warnings
from asyncio import _get_running_loop as running_loop
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from threading import Lock
from typing import Any, TypeAlias, Unpack, cast

from asgiref.sync import sync_to_async
from django.core.signals import setting_changed
from django.db import DEFAULT_DB_ALIAS
from django.dispatch import receiver
from django.utils.functional import LazyObject, empty

from . import conf, registry
from .core.breaker import Circuit
from .core.config import BusConfig
from .core.events import Message, Published
from .core.exceptions import BusError, ConfigurationError, did_you_mean
from .core.topics import Address, StreamTopic
from .delivery import Outgoing, deliver
from .messages import Attributes, MessageFactory
from .muting import is_muted, muting
from .outbox import rows, table
from .outbox.waking import notify
from .publishing import PublishOptions, plan_of
from .sending import Result, Sender
from .transport.clients import Clients

Topic: TypeAlias = StreamTopic | Address | str
Item: TypeAlias = Message | tuple[Topic, Any]


class Bus:
    """One configured Redis. Made by `buses`, one per alias; nothing is connected before its first use."""

    def __init__(self, config: BusConfig) -> None:
        self.config = config
        self.alias = config.alias
        self.clients = Clients(
            config.location,
            options=config.options,
            embedded_dir=conf.embedded_dir(),
        )
        self.sender = Sender(config, self.clients, partial(registry.limit, config.alias))
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

    @property
    def circuit(self) -> Circuit:
        """Whether this process asks Redis at all just now: its state, the failures in a row, the next probe."""
        return self.sender.circuit()

    @property
    def counts(self) -> Counter[str]:
        """How many events of this process went to the "outbox" in Redis's stead, were "dropped", or "failed"."""
        return Counter(self.sender.counts)

    # --- publish

    def publish(self, topic: Topic, data: Any, **options: Unpack[PublishOptions]) -> Published:
        """Publish one event. `topic` is a Stream or the name of a declared one; the rest as for Stream.publish."""
        plan, attributes = plan_of(options)
        message = self.message(topic, data, **attributes)
        if self.is_muted:
            return _stated(message, "muted")
        if plan.at_ms is not None:
            return self._schedule(message, plan.at_ms, plan.using)
        if plan.delivery == "immediate":
            return _one(self.send([message], using=plan.using, deadline_s=plan.deadline_s))
        using = plan.using or (table.default() if plan.delivery == "outbox" else DEFAULT_DB_ALIAS)
        error = deliver([Outgoing(self.sender, f"publish to {message.topic}", message)], plan.delivery, using)
        if error is not None:
            raise error
        return _stated(message, plan.delivery)

    async def apublish(self, topic: Topic, data: Any, **options: Unpack[PublishOptions]) -> Published:
        """The async twin of `publish`."""
        plan, attributes = plan_of(options)
        if plan.at_ms is not None or plan.delivery != "immediate":
            # A database transaction is under way in Django's thread for synchronous code, if anywhere.
            return await sync_to_async(self.publish)(topic, data, **options)
        message = self.message(topic, data, **attributes)
        if self.is_muted:
            return _stated(message, "muted")
        return _one(await self.asend([message], using=plan.using, deadline_s=plan.deadline_s))

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

    def send(
        self, messages: Sequence[Message], *, using: str | None = None, deadline_s: float | None = None
    ) -> list[Result]:
        """Send encoded messages in one round trip; one result per message, nothing is raised.

        Args:
            messages: made by `message`.
            using: the database whose outbox takes what Redis does not, if ON_FAILURE says so.
            deadline_s: how long it may take, in place of DEADLINE; anew for each 1,000 messages.
        """
        if running_loop() is not None:
            warnings.warn(_BLOCKS, RuntimeWarning, stacklevel=3)
        if self.is_muted:
            return [_stated(message, "muted") for message in messages]
        return self.sender.send(messages, using=using, deadline_s=deadline_s)

    async def asend(
        self, messages: Sequence[Message], *, using: str | None = None, deadline_s: float | None = None
    ) -> list[Result]:
        """The async twin of `send`."""
        if self.is_muted:
            return [_stated(message, "muted") for message in messages]
        return await self.sender.asend(messages, using=using, deadline_s=deadline_s)

    def _schedule(self, message: Message, at_ms: int, using: str | None) -> Published:
        using = using or table.default()
        rows.store(self.alias, [message], using=using, moment_ms=at_ms, state=rows.SCHEDULED)
        notify(using)
        return _stated(message, "outbox")

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

    # --- silence

    def muted(self) -> AbstractContextManager[None]:
        """Publish nothing to this bus inside the block: neither publishers nor calls, in this thread or task.

        For imports, fixtures and repairs: `with bus.muted(): load_old_orders()`.
        """
        return muting(self.alias)

    @property
    def is_muted(self) -> bool:
        """Whether this thread or task is inside `muted()`."""
        return is_muted(self.alias)

    # --- switches

    def disable_publisher(self, name: str) -> None:
        """Switch a publisher off in every process, until `enable_publisher`; each knows of it 5 s after its next event.

        Raises ConfigurationError if PUBLISHERS has no such name, Unavailable if Redis cannot be told.
        """
        self.sender.switches.disable(name)

    def enable_publisher(self, name: str) -> None:
        """Switch a publisher on again. Raises as `disable_publisher` does."""
        self.sender.switches.enable(name)

    def disabled_publishers(self) -> frozenset[str]:
        """Ask Redis which publishers are switched off. Raises Unavailable."""
        return self.sender.switches.read()

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


def _stated(message: Message, state: Any) -> Published:
    return Published(topic=message.topic, event_id=message.event_id, state=state)


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


def _begin_anew() -> None:
    """Forget every bus after a fork: another thread may have held a lock of theirs, and will never let it go here."""
    buses._lock = Lock()
    buses._made.clear()
    _default._wrapped = cast("Any", empty)


os.register_at_fork(after_in_child=_begin_anew)


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    # `conf` has been imported before this module, so its receiver has run before this one.
    if setting in ("REDIS_BUS", "BASE_DIR"):
        buses.reset()
        _default._wrapped = cast("Any", empty)
