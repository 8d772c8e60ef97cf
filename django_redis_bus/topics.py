"""Stream: a durable topic, as a project declares it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, NoReturn, TypeVar, Unpack, overload

from asgiref.sync import iscoroutinefunction

from . import registry
from .bus import Bus, buses
from .core.config import Limit, Retention
from .core.events import Event, Message, Published
from .core.exceptions import ConfigurationError
from .core.handlers import Handler
from .core.payloads import Upcaster
from .core.policy import Retry
from .core.topics import Address, StreamTopic, caller
from .inbox import Inbox
from .messages import Attributes
from .publishing import PublishOptions

T = TypeVar("T")
R = TypeVar("R")

_GROUP = re.compile(r"[\w\-.:@+/<>]{1,200}")


class Stream(StreamTopic, Generic[T]):
    """A durable topic: a Redis stream, consumed by groups.

    Args:
        name: hierarchical, with colons; may hold placeholders: "events:order", "tenant:{tenant}:orders".
        payload: what the data must be: a dataclass, TypedDict, msgspec.Struct or pydantic model; or a mapping from
            event type to such a type, which also limits the event types; None takes any plain values.
        retention: what is kept once every live group has handled it. Default: the newest 100,000 entries.
        limit: how far the slowest group may be behind before publishers are held back. Default: no limit.
        redact: places in the data whose values no log and no error text may show: ["email", "lines[].price"].
        version: the schema version of what is published now; older versions need an `upcaster` each.
        bus: alias in REDIS_BUS.

    Raises ConfigurationError for a name or payload type that cannot work.
    """

    @overload
    def __init__(
        self: Stream[T],
        name: str,
        *,
        payload: type[T],
        retention: Retention | None = None,
        limit: Limit | None = None,
        redact: Iterable[str] = (),
        version: int = 1,
        bus: str = "default",
    ) -> None: ...

    @overload
    def __init__(
        self: Stream[Any],
        name: str,
        *,
        payload: Mapping[str, Any] | None = None,
        retention: Retention | None = None,
        limit: Limit | None = None,
        redact: Iterable[str] = (),
        version: int = 1,
        bus: str = "default",
    ) -> None: ...

    def __init__(
        self,
        name: str,
        *,
        payload: Any = None,
        retention: Retention | None = None,
        limit: Limit | None = None,
        redact: Iterable[str] = (),
        version: int = 1,
        bus: str = "default",
    ) -> None:
        if retention is not None and not isinstance(retention, Retention):
            raise ConfigurationError(f"Stream {name!r}: retention is a Retention(count=…), not {retention!r:.50}.")
        super().__init__(
            name, payload=payload, retention=retention, limit=limit, redact=redact, version=version,
            bus=bus, declared_in=caller(),
        )  # fmt: skip
        registry.add_stream(self)

    @property
    def bus(self) -> Bus:
        """The bus it belongs to."""
        return buses[self.bus_alias]

    def __call__(self, **parameters: object) -> BoundStream:
        """Return the concrete stream for these parameters. Raises PayloadError if they do not fit."""
        return BoundStream(self, self.pattern.format(parameters))

    def message(self, data: Any, **attributes: Unpack[Attributes]) -> Message:
        """Encode and validate an event now, to be sent later by `bus.send`. Arguments as for `publish`."""
        return self.bus.message(self, data, **attributes)

    def publish(self, data: Any, **options: Unpack[PublishOptions]) -> Published:
        """Publish one event.

        Args:
            data: what happened; must fit the payload type.
            type: event type. Default: the one type that the payload class belongs to, else "<source>.<stream name>".
            key: ordering key; events with one key are handled in order.
            subject: what it is about.
            id: the event's id; default a random one. Published again under the same id within DEDUPLICATE, it is
                added once.
            time: when it happened, aware; default now.
            extensions: further CloudEvents attributes, a mapping of text to text.
            traceparent: W3C trace context to carry on; default that of the event being handled.
            delivery: "immediate", now, whatever becomes of a transaction; "on_commit", when the one under way on
                `using` has committed; "outbox", as a row written in that transaction.
            using: the database; default "default", or where the outbox is written to.
            delay: seconds or a timedelta to wait, in the outbox; needs a relay, as `at` does.
            at: an aware datetime before which it does not leave.
            deadline_s: how long it may take, in place of DEADLINE.

        Returns:
            Published, with its state, and the entry's id once it has one.

        Raises:
            PayloadError: the data does not fit; the error names the path.
            EventTooLarge: above MAX_EVENT_BYTES.
            Unavailable: Redis did not answer within the deadline, and ON_FAILURE is "raise", or there is no outbox.
                Whether Redis added the event is then unknown: publish it again under the same id.
            StreamFull: the stream is at its MAX_LAG.
            ConfigurationError: the outbox is asked for and has no table.
        """
        return self.bus.publish(self, data, **options)

    async def apublish(self, data: Any, **options: Unpack[PublishOptions]) -> Published:
        """The async twin of `publish`."""
        return await self.bus.apublish(self, data, **options)

    @overload
    def handler(
        self, *, group: str | None = None, types: Iterable[str] | None = None, retry: Retry | None = None,
        idempotent: bool = False, using: str | None = None,
    ) -> Callable[[Callable[[Event[T]], R]], Callable[[Event[T]], R]]: ...  # fmt: skip

    @overload
    def handler(
        self, *, batch: int, group: str | None = None, types: Iterable[str] | None = None, retry: Retry | None = None,
        idempotent: bool = False, using: str | None = None,
    ) -> Callable[[Callable[[list[Event[T]]], R]], Callable[[list[Event[T]]], R]]: ...  # fmt: skip

    def handler(
        self,
        *misplaced: object,
        group: str | None = None,
        types: Iterable[str] | None = None,
        retry: Retry | None = None,
        batch: int | None = None,
        idempotent: bool = False,
        using: str | None = None,
    ) -> Callable[[Callable[[Any], R]], Callable[[Any], R]]:
        """Bind a function to this stream in a consumer group.

        The function takes one Event; returning is success, raising is failure. It may be `def` or `async def`.

        Args:
            group: the consumer group; default one of its own, its dotted name.
            types: event types it wants; default all. Others are acked without a call.
            retry: when and how often a failed event is tried again.
            batch: take up to so many Events per call, as a list. Return None, or one item per event: None for
                success or the exception that it failed with. Raising fails them all, and they are retried one by one.
            idempotent: run it in a transaction that also remembers the event, and not again for an event remembered.
                For `def` functions; see docs/how-to/handle-events-safely.md for what it covers.
            using: alias of the database of that transaction. Default: where the routers write InboxEvent.
        """
        if misplaced:
            raise ConfigurationError(f"{self!r}: handler takes parentheses: write @….handler() above the function.")
        if isinstance(types, str):
            raise ConfigurationError(f"Stream {self.name!r}: types is a list of event types; write types=[{types!r}].")
        wanted = None if types is None else frozenset(types)
        if wanted is not None and not wanted:
            raise ConfigurationError(f"Stream {self.name!r}: types=[] wants no event; leave it out to want them all.")
        if batch is not None and batch < 1:
            raise ConfigurationError(f"Stream {self.name!r}: batch must be at least 1.")
        if using is not None and not idempotent:
            raise ConfigurationError(
                f"Stream {self.name!r}: using={using!r} is the database of the transaction that idempotent=True makes."
            )

        def bind(fn: Callable[[Any], R]) -> Callable[[Any], R]:
            if not hasattr(fn, "__qualname__"):
                raise ConfigurationError(f"{fn!r} has no name of its own to be a handler's. Bind a function.")
            name = f"{fn.__module__}.{fn.__qualname__}"
            is_async = iscoroutinefunction(fn)
            if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
                raise ConfigurationError(f"{name} has a yield: calling it would run nothing.")
            if is_async and batch is not None:
                raise ConfigurationError(f"{name}: batch handlers are `def` functions.")
            if is_async and idempotent:
                raise ConfigurationError(
                    f"{name}: idempotent handlers are `def` functions, for Django has no transactions in async code. "
                    "Write `def`, and run its consumer with --threads to have several at work."
                )
            if retry is not None and not isinstance(retry, Retry):
                raise ConfigurationError(f"{name}: retry is a Retry(max_attempts=…), not {retry!r:.50}.")
            if group is not None and not (_GROUP.fullmatch(str(group)) and group == str(group)):
                raise ConfigurationError(
                    f"{name}: {group!r} is no group name: use 1 to 200 letters, digits and _ - . : @ + / < >."
                )
            inbox = Inbox(bus=self.bus_alias, group=group or name, name=name, using=using) if idempotent else None
            registry.add_handler(
                self.bus_alias,
                Handler(
                    name=name,
                    stream=self.name,
                    group=group or name,
                    fn=fn if inbox is None else inbox.once_each(fn) if batch else inbox.once(fn),
                    types=wanted,
                    retry=retry or Retry(),
                    batch=batch,
                    is_async=is_async,
                    idempotent=idempotent,
                    using=using,
                ),
            )
            return fn

        return bind

    def listener(self, *_: object, **__: object) -> NoReturn:
        """Refuse: streams have handlers."""
        raise ConfigurationError(
            f"{self!r} has handlers, not listeners: write @….handler(group=…). A Channel has listeners."
        )

    def upcaster(self, *, from_version: int) -> Callable[[Upcaster], Upcaster]:
        """Register the function that turns plain data of schema version `from_version` into the next version's.

        Raises ConfigurationError for a version that is not an older one.
        """
        version = self.payloads.version
        if not 1 <= from_version < version:
            raise ConfigurationError(
                f"Stream {self.name!r} is at version {version}: an upcaster from version {from_version} would never be "
                f"called. Declare what is published now: Stream({self.name!r}, version=…)."
            )

        def register(fn: Upcaster) -> Upcaster:
            self.payloads.upcasters[from_version] = fn
            return fn

        return register


class BoundStream(Address):
    """A stream with a concrete name: what `STREAM(tenant="acme")` returns."""

    @property
    def bus(self) -> Bus:
        """The bus it belongs to."""
        return buses[self.topic.bus_alias]

    def message(self, data: Any, **attributes: Unpack[Attributes]) -> Message:
        """See Stream.message."""
        return self.bus.message(self, data, **attributes)

    def publish(self, data: Any, **options: Unpack[PublishOptions]) -> Published:
        """See Stream.publish."""
        return self.bus.publish(self, data, **options)

    async def apublish(self, data: Any, **options: Unpack[PublishOptions]) -> Published:
        """The async twin of `publish`."""
        return await self.bus.apublish(self, data, **options)
