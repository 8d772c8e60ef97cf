"""What a Bus hears: listeners bound to channels and patterns."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction

from . import registry
from .core.config import BusConfig
from .core.events import Event
from .core.exceptions import ConfigurationError, UnreadableEntry
from .core.gaps import Gap
from .core.listeners import QUEUE, Listener, Overflow, check_queue, gap_misfit, misfit, wanted
from .core.topics import Address, ChannelTopic
from .listening import Here, Heres, MessageReading, Subscription, wanted_by
from .listening_targets import Heard, Targets, targets_of
from .runtime.listening.failures import Failures
from .runtime.listening.live import ATTACH_S, Live
from .runtime.listening.queues import queue_for
from .runtime.listening.worker import END_S
from .transport.clients import Clients


class Listening:
    """The part of a Bus that listens."""

    alias: str
    config: BusConfig
    clients: Clients
    _heres: Heres | None = None

    @property
    def live(self) -> Live:
        """The connection by which the running event loop hears this bus: `attach` to it, look at its `counts`."""
        return self._here().live

    def _here(self) -> Here:
        if self._heres is None:
            self._heres = Heres(self.config, self.clients)
        return self._heres.get()

    async def subscribe(
        self,
        topic: Heard,
        handler: Callable[..., Any],
        *,
        queue: int = QUEUE,
        overflow: Overflow = "drop_oldest",
        on_gap: Callable[[Gap], Any] | None = None,
        presence: bool = False,
        deadline_s: float | None = ATTACH_S,
    ) -> Subscription:
        """Call `handler` with each message of a channel, in order, from when this returns until `unsubscribe`.

        Args:
            topic: a Channel, with its parameters or without (then all of its names), or a name.
            handler: takes an Event, and by keyword those of the Channel's parameters that it names. `async def`, or
                `def`, which runs in a thread of its own.
            queue: most messages that wait for it.
            overflow: what happens beyond that: "drop_oldest", "drop_newest", "coalesce" (of each topic only the newest
                waits), or "block" (nothing more is read from Redis; it has a connection of its own for that).
            on_gap: called with a Gap where messages may be missing, before the first one after the hole.
            presence: also hear who comes to the rooms of browsers and goes: types "bus.presence.joined" and
                "bus.presence.left".
            deadline_s: how long Redis may take to confirm; None waits as long as it takes.

        Raises:
            Unavailable: Redis has not confirmed in time.
            AccessRefused: this user may not subscribe to it.
            ConfigurationError: it is no topic of this bus, or the handler cannot be called so.
        """
        targets = targets_of(self.alias, [topic], globs=False)
        declared = topic.topic if isinstance(topic, Address) else topic
        channel = declared if isinstance(declared, ChannelTopic) else None
        listener = listener_of(
            handler, channel, queue=queue, overflow=overflow, on_gap=on_gap, presence=presence
        )  # fmt: skip
        return await self._here().subscribe(targets, _checked(listener), deadline_s=deadline_s)

    async def psubscribe(
        self,
        pattern: str,
        handler: Callable[..., Any],
        *,
        queue: int = QUEUE,
        overflow: Overflow = "drop_oldest",
        on_gap: Callable[[Gap], Any] | None = None,
        presence: bool = False,
        raw: bool = False,
        deadline_s: float | None = ATTACH_S,
    ) -> Subscription:
        """The same for every name that matches a Redis glob pattern: "chat:*", "user:[0-9]*".

        Never make a pattern of what a user typed. A name that begins with `__key` (keyspace notifications) is Redis's
        own, as every pattern is with `raw`: the others are below the bus's KEY_PREFIX.
        """
        targets = Targets()
        targets.add_pattern(pattern)
        listener = listener_of(handler, None, queue=queue, overflow=overflow, on_gap=on_gap, presence=presence)
        return await self._here().subscribe(targets, _checked(listener), raw=raw, deadline_s=deadline_s)

    async def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription; what waits for its handler is forgotten. A call under way has a second to end."""
        await subscription.close()

    async def punsubscribe(self, subscription: Subscription) -> None:
        """The same as `unsubscribe`."""
        await subscription.close()

    async def listen(
        self,
        *topics: Heard,
        queue: int = QUEUE,
        overflow: Overflow = "drop_oldest",
        presence: bool = False,
        raw: bool = False,
        on_ready: Callable[[], Any] | None = None,
        deadline_s: float | None = ATTACH_S,
    ) -> AsyncIterator[Event[Any] | Gap]:
        """Yield each message as an Event, and a Gap wherever some may be missing.

            async for item in bus.listen(CHAT(room="lobby"), "orders:*"):
                if isinstance(item, Gap): …

        A text with one of `* ? [ \\` is a pattern: never give it what a user typed. A message that several of the
        topics match comes once. What cannot be read is logged and left out. `on_ready` is called once Redis has
        confirmed. The rest as for `subscribe`.
        """
        targets = targets_of(self.alias, topics, globs=True)
        here = self._here()
        check_queue("bus.listen", queue, overflow, None)
        live = here.connection_for(overflow)
        names = (*targets.names, *targets.patterns)
        waiting = queue_for(names, limit=queue, overflow=overflow, pressed=live.pressed, counts=live.counts)
        reading = MessageReading(self.config, declared=not raw)
        attachment = await live.attach(
            channels=targets.names, patterns=targets.patterns, accepts=targets.accepts,
            on_message=wanted_by(waiting.put, presence=presence), on_gap=waiting.put_gap,
            raw=raw, deadline_s=deadline_s,
        )  # fmt: skip
        failures = Failures("bus.listen", reading, live.counts)
        try:
            if on_ready is not None:
                on_ready()
            while True:
                for item in await waiting.some(_AT_ONCE if overflow != "coalesce" else 1):
                    if isinstance(item, Gap):
                        yield item
                        continue
                    try:
                        event = reading.event(*item)
                    except UnreadableEntry as error:
                        failures.unreadable(error, *item)
                        continue
                    live.counts["delivered"] += 1
                    yield event
        finally:
            waiting.end()
            await attachment.close()

    async def start_listener(self, listener: Listener, *, deadline_s: float | None = ATTACH_S) -> Subscription:
        """Set a registered listener to work: of a declared channel, or of a name or pattern. Raises as `subscribe`."""
        channel = registry.find_channel(self.alias, listener.channel)
        heard = channel if channel is not None and channel.name == listener.channel else listener.channel
        targets = targets_of(self.alias, [heard], globs=True)
        return await self._here().subscribe(targets, _checked(listener), deadline_s=deadline_s)

    async def aclose_live(self, wait_s: float = END_S) -> None:
        """End what listens in the running event loop. A call under way may take `wait_s`."""
        if self._heres is not None:
            await self._heres.aclose(wait_s)


_AT_ONCE = 16
"""So many leave the queue together: few enough that its policy says what happens to almost all that wait."""


def listener_of(
    fn: Callable[..., Any],
    channel: ChannelTopic | None,
    *,
    queue: int = QUEUE,
    overflow: Overflow = "drop_oldest",
    on_gap: Callable[[Gap], Any] | None = None,
    presence: bool = False,
) -> Listener:
    """Return `fn` as a listener; whether it can be called is checked elsewhere. Raises ConfigurationError.

    Args:
        fn: the function.
        channel: what it is bound to, if that is declared.
        queue, overflow, on_gap, presence: see Listening.subscribe.
    """
    name = f"{fn.__module__}.{fn.__qualname__}" if hasattr(fn, "__qualname__") else f"{fn!r:.100}"
    check_queue(name, queue, overflow, on_gap)
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise ConfigurationError(f"{name} has a yield: calling it would run nothing.")
    return Listener(
        name=name,
        fn=fn,
        is_async=iscoroutinefunction(fn),
        channel="" if channel is None else channel.name,
        parameters=() if channel is None else wanted(fn, channel.pattern.parameters),
        queue=queue,
        overflow=overflow,
        on_gap=on_gap,
        presence=presence,
    )


def _checked(listener: Listener) -> Listener:
    if why := misfit(listener):
        raise ConfigurationError(f"Listener {listener.name} cannot be called with an event: {why}.")
    if listener.on_gap is not None and (why := gap_misfit(listener.on_gap)):
        raise ConfigurationError(f"Listener {listener.name}: on_gap cannot be called with one Gap: {why}.")
    return listener
