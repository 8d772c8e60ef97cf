"""What listens, wired together: which names are meant, how their messages are read, and the connection of each loop."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from django.db import connections

from . import conf, registry
from .core.config import BusConfig
from .core.events import Event
from .core.listeners import Listener, Overflow
from .core.live import LiveReader, foreign_value, is_presence
from .core.payloads import Payloads
from .core.redaction import Redaction
from .core.topics import ChannelTopic
from .listening_targets import Targets
from .middleware.connections import Connections
from .runtime.listening.live import ATTACH_S, Attachment, Live
from .runtime.listening.queues import queue_for
from .runtime.listening.worker import END_S, ListenerWorker
from .transport.clients import Clients
from .transport.subscriber import RedisSubscriber

_MOST_NAMES = 10_000
"""So many names are remembered with what they are; names come from users."""


def declared_as(alias: str, topic: str) -> ChannelTopic | None:
    """Return the channel that a name belongs to, as the settings would have it; None if none is declared."""
    channel = registry.find_channel(alias, topic)
    return None if channel is None else channel.under(conf.configs()[alias].channels.get(channel.name))


class MessageReading:
    """Makes Events of messages, by what is declared of the channel that each came over.

    Args:
        config: of the bus.
        parameters: whose values are wanted.
        declared: False if names are Redis's own and say nothing of declarations.
    """

    def __init__(self, config: BusConfig, parameters: tuple[str, ...] = (), *, declared: bool = True) -> None:
        self._config = config
        self._parameters = parameters
        self._declared = declared
        self._readers: dict[str, LiveReader] = {}
        self._known: dict[str, tuple[Callable[[str, bytes], Event[Any]], dict[str, Any]]] = {}

    def event(self, topic: str, data: bytes) -> Event[Any]:
        known = self._known.get(topic)
        return known[0](topic, data) if known is not None else self._look_up(topic)[0](topic, data)

    def values(self, topic: str) -> dict[str, Any]:
        return (self._known.get(topic) or self._look_up(topic))[1]

    def scrubber(self, topic: str, data: bytes, event: Event[Any] | None) -> Callable[[str], str]:
        channel = self._channel(topic)
        if channel is None or not channel.redact:
            return str
        return Redaction(channel.redact, _plain).scrubber([(data, event.data if event is not None else None)])

    def _channel(self, topic: str) -> ChannelTopic | None:
        return declared_as(self._config.alias, topic) if self._declared else None

    def _look_up(self, topic: str) -> tuple[Callable[[str, bytes], Event[Any]], dict[str, Any]]:
        channel = self._channel(topic)
        name = "" if channel is None else channel.name
        reader = self._readers.get(name)
        if reader is None:
            payloads = Payloads("", None, 1) if channel is None else channel.payloads
            reader = self._readers[name] = LiveReader(payloads, max_bytes=self._config.max_event_bytes)
        values = (channel.parse(topic) or {}) if channel is not None and self._parameters else {}
        if len(self._known) >= _MOST_NAMES:
            self._known.clear()
        known = self._known[topic] = (reader.read, {name: values[name] for name in self._parameters if name in values})
        return known


Put: TypeAlias = Callable[[str, bytes, str | None], None]


def wanted_by(put: Put, *, presence: bool) -> Put:
    """Return `put`, unless `presence`, without who comes and goes: in a queue that would be in the messages' way."""
    if presence:
        return put

    def put_messages(topic: str, data: bytes, pattern: str | None) -> None:
        if not is_presence(data):
            put(topic, data, pattern)

    return put_messages


def _plain(raw: bytes) -> Any:
    """Return the data of a message as plain values, whoever published it."""
    value = foreign_value(raw)
    return value.get("data") if isinstance(value, dict) and "specversion" in value else value


class Subscription:
    """A listener at work; made by `bus.subscribe`, ended by `bus.unsubscribe`.

    Attributes:
        listener: what is called.
        topics: the names and patterns it hears.
    """

    def __init__(self, listener: Listener, topics: tuple[str, ...]) -> None:
        self.listener = listener
        self.topics = topics
        self._attachment: Attachment | None = None
        self._worker: ListenerWorker | None = None
        self._here: Here | None = None

    def __repr__(self) -> str:
        return f"Subscription({self.listener.name!r}, {', '.join(map(repr, self.topics))})"

    async def close(self, wait_s: float = END_S) -> None:
        """End it. A call that is under way may take `wait_s` seconds."""
        if self._here is not None:
            self._here.subscriptions.pop(self, None)
        if self._attachment is not None:
            await self._attachment.close()
        if self._worker is not None:
            await self._worker.end(wait_s)


class Here:
    """What one event loop hears of one bus.

    Attributes:
        live: its connection.
        subscriptions: those that have not ended.
    """

    def __init__(self, config: BusConfig, clients: Clients) -> None:
        self._config = config
        self._clients = clients
        self.live = self.another()
        self.subscriptions: dict[Subscription, None] = {}

    def another(self, counts: Counter[str] | None = None) -> Live:
        """Return a Live with a connection of its own, counted with the others."""
        return Live(
            partial(RedisSubscriber, self._clients),
            where=self._clients.where,
            prefix=self._config.key_prefix,
            luck=random.random,
            counts=counts,
        )

    def connection_for(self, overflow: Overflow) -> Live:
        """Return the Live that a listener uses: one that stops the reading has a connection of its own."""
        return self.another(self.live.counts) if overflow == "block" else self.live

    async def subscribe(
        self, targets: Targets, listener: Listener, *, raw: bool = False, deadline_s: float | None = ATTACH_S
    ) -> Subscription:
        """Set a listener to work. Raises as `Live.attach` does."""
        live = self.connection_for(listener.overflow)
        topics = (*targets.names, *targets.patterns)
        queue = queue_for(
            topics, limit=listener.queue, overflow=listener.overflow, pressed=live.pressed, counts=live.counts
        )
        reading = MessageReading(self._config, listener.parameters, declared=not raw)
        made = Subscription(listener, topics)
        made._worker = ListenerWorker(listener, queue, reading, Connections(), live.counts, connections.close_all)
        try:
            made._attachment = await live.attach(
                channels=targets.names, patterns=targets.patterns, accepts=targets.accepts,
                on_message=wanted_by(queue.put, presence=listener.presence), on_gap=queue.put_gap,
                raw=raw, deadline_s=deadline_s,
            )  # fmt: skip
        except BaseException:
            await made.close()
            raise
        made._here = self
        self.subscriptions[made] = None
        return made

    async def close(self, wait_s: float) -> None:
        """End every subscription and disconnect."""
        await asyncio.gather(*(each.close(wait_s) for each in list(self.subscriptions)))
        await self.live.close()


class Heres:
    """The Here of each event loop of this process.

    Args:
        config: of the bus.
        clients: its server.
    """

    def __init__(self, config: BusConfig, clients: Clients) -> None:
        self._config = config
        self._clients = clients
        self._pid = os.getpid()
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, Here] = WeakKeyDictionary()

    def get(self) -> Here:
        """Return the running event loop's."""
        if self._pid != os.getpid():  # forked: the connections are the parent's
            self._pid, self._made = os.getpid(), WeakKeyDictionary()
        loop = asyncio.get_running_loop()
        here = self._made.get(loop)
        if here is None:
            # It holds its loop, so the weak key alone would never go: `async_to_sync` makes a loop per call.
            for ended in [known for known in list(self._made) if known.is_closed()]:
                self._made.pop(ended, None)
            here = self._made[loop] = Here(self._config, self._clients)
        return here

    async def aclose(self, wait_s: float) -> None:
        """Close the running event loop's."""
        if here := self._made.pop(asyncio.get_running_loop(), None):
            await here.close(wait_s)
