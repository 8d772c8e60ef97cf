"""What a project declares: Stream (durable) and Channel (Redis pub/sub)."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, Unpack

from . import conf, registry
from .bus import Attributes, Bus, buses
from .core.config import Retention
from .core.events import Message, Published
from .core.exceptions import ConfigurationError
from .core.handlers import Handler
from .core.patterns import Pattern
from .core.payloads import Payloads, Upcaster
from .core.policy import Retry

F = TypeVar("F", bound=Callable[..., Any])


class Stream:
    """A durable topic: a Redis stream, consumed by groups.

    Args:
        name: hierarchical, with colons; may hold placeholders: "events:order", "tenant:{tenant}:orders".
        payload: what the data must be: a dataclass, TypedDict, msgspec.Struct or pydantic model; or a mapping from
            event type to such a type, which also limits the event types; None takes any plain values.
        retention: what is kept once every live group has handled it. Default: the newest 100,000 entries.
        version: the schema version of what is published now; older versions need an `upcaster` each.
        bus: alias in REDIS_BUS.

    Raises ConfigurationError for a name or payload type that cannot work.
    """

    def __init__(
        self,
        name: str,
        *,
        payload: Any = None,
        retention: Retention | None = None,
        version: int = 1,
        bus: str = "default",
    ) -> None:
        self._declare(name, payload, retention, version, bus, _caller())
        registry.add_stream(self)

    def _declare(
        self, name: str, payload: Any, retention: Retention | None, version: int, bus: str, place: str
    ) -> None:
        self.name = name
        self.pattern = Pattern(name)
        self.payloads = Payloads(name, payload, version)
        self.bus_alias = bus
        self.declared_in = place
        self._retention = retention

    @classmethod
    def from_settings(cls, name: str, alias: str) -> Stream:
        """Return the stream that STREAMS of a bus declares."""
        stream = cls.__new__(cls)
        stream._declare(name, None, None, 1, alias, f"REDIS_BUS[{alias!r}]['STREAMS']")
        return stream

    def __repr__(self) -> str:
        return f"Stream({self.name!r})"

    @property
    def bus(self) -> Bus:
        """The bus it belongs to."""
        return buses[self.bus_alias]

    @property
    def retention(self) -> Retention:
        """What is kept: as in settings, else as declared in code, else the default."""
        configured = conf.configs()[self.bus_alias].streams.get(self.name)
        return configured.retention if configured else self._retention or Retention()

    def __call__(self, **parameters: object) -> BoundStream:
        """Return the concrete stream for these parameters. Raises PayloadError if they do not fit."""
        return BoundStream(self, self.pattern.format(parameters))

    def _bound(self) -> BoundStream:
        return BoundStream(self, self.pattern.format({}) if self.pattern.parameters else self.name)

    def message(self, data: Any, **attributes: Unpack[Attributes]) -> Message:
        """Encode and validate an event now, to be sent later by `bus.send`. Arguments as for `publish`."""
        return self._bound().message(data, **attributes)

    def publish(self, data: Any, **attributes: Unpack[Attributes]) -> Published:
        """Publish one event.

        Args:
            data: what happened; must fit the payload type.
            type: event type. Default: the one type that the payload class belongs to, else "<source>.<stream name>".
            key: ordering key; events with one key are handled in order.
            subject: what it is about.
            id: the event's id; default a random one.
            time: when it happened, aware; default now.
            extensions: further CloudEvents attributes, a mapping of text to text.

        Returns:
            Published, with the entry's id.

        Raises:
            PayloadError: the data does not fit; the error names the path.
            EventTooLarge: above MAX_EVENT_BYTES.
            Unavailable: Redis did not answer within TIMEOUT. Whether it added the event is then unknown.
        """
        return self._bound().publish(data, **attributes)

    async def apublish(self, data: Any, **attributes: Unpack[Attributes]) -> Published:
        """The async twin of `publish`."""
        return await self._bound().apublish(data, **attributes)

    def handler(
        self,
        *,
        group: str | None = None,
        types: Iterable[str] | None = None,
        retry: Retry | None = None,
        batch: int | None = None,
    ) -> Callable[[F], F]:
        """Bind a function to this stream in a consumer group.

        The function takes one Event; returning is success, raising is failure. It may be `def` or `async def`.

        Args:
            group: the consumer group; default one of its own, its dotted name.
            types: event types it wants; default all. Others are acked without a call.
            retry: when and how often a failed event is tried again.
            batch: take up to so many Events per call, as a list. Return None, or one item per event: None for
                success or the exception that it failed with. Raising fails them all, and they are retried one by one.
        """
        if isinstance(types, str):
            raise ConfigurationError(f"Stream {self.name!r}: types is a list of event types; write types=[{types!r}].")
        if batch is not None and batch < 1:
            raise ConfigurationError(f"Stream {self.name!r}: batch must be at least 1.")

        def bind(fn: F) -> F:
            name = f"{fn.__module__}.{fn.__qualname__}"
            is_async = inspect.iscoroutinefunction(fn)
            if is_async and batch is not None:
                raise ConfigurationError(f"{name}: batch handlers are `def` functions.")
            registry.add_handler(
                self.bus_alias,
                Handler(
                    name=name,
                    stream=self.name,
                    group=group or name,
                    fn=fn,
                    types=None if types is None else frozenset(types),
                    retry=retry or Retry(),
                    batch=batch,
                    is_async=is_async,
                ),
            )
            return fn

        return bind

    def upcaster(self, *, from_version: int) -> Callable[[Upcaster], Upcaster]:
        """Register the function that turns plain data of schema version `from_version` into the next version's."""

        def register(fn: Upcaster) -> Upcaster:
            self.payloads.upcasters[from_version] = fn
            return fn

        return register


class BoundStream:
    """A stream with a concrete name."""

    def __init__(self, stream: Stream, name: str) -> None:
        self.stream = stream
        self.name = name

    def __repr__(self) -> str:
        return f"BoundStream({self.name!r})"

    def message(self, data: Any, **attributes: Unpack[Attributes]) -> Message:
        """See Stream.message."""
        return self.stream.bus.encode(self, data, **attributes)

    def publish(self, data: Any, **attributes: Unpack[Attributes]) -> Published:
        """See Stream.publish."""
        return self.stream.bus.publish(self, data, **attributes)

    async def apublish(self, data: Any, **attributes: Unpack[Attributes]) -> Published:
        """The async twin of `publish`."""
        return await self.stream.bus.apublish(self, data, **attributes)


class Channel:
    """A live topic: Redis pub/sub, without memory. Declared here; it cannot be published to yet.

    Args:
        name: hierarchical, may hold placeholders: "chat:{room}".
        payload: as for Stream.
        bus: alias in REDIS_BUS.
    """

    def __init__(self, name: str, *, payload: Any = None, bus: str = "default") -> None:
        self._declare(name, payload, bus)
        registry.add_channel(self)

    def _declare(self, name: str, payload: Any, bus: str) -> None:
        self.name = name
        self.pattern = Pattern(name)
        self.payloads = Payloads(name, payload, 1)
        self.bus_alias = bus

    @classmethod
    def from_settings(cls, name: str, alias: str) -> Channel:
        """Return the channel that CHANNELS of a bus declares."""
        channel = cls.__new__(cls)
        channel._declare(name, None, alias)
        return channel

    def __repr__(self) -> str:
        return f"Channel({self.name!r})"


def _caller() -> str:
    """Return where in the project the caller of a constructor stands, for messages."""
    frame = sys._getframe(2)
    return f"{frame.f_globals.get('__name__', '?')} line {frame.f_lineno}"
