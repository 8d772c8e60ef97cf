"""Channel: a live topic over Redis pub/sub, as a project declares it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, NoReturn, TypeVar, Unpack, overload

from . import registry
from .bus import Bus, buses
from .bus_listening import listener_of
from .core.events import Event, Message, Published
from .core.exceptions import ConfigurationError, UnreadableEntry
from .core.gaps import Gap
from .core.keys import ChannelKeys, stream_key
from .core.listeners import QUEUE, Overflow
from .core.live import LiveReader
from .core.topics import WEEK_S, Address, ChannelTopic, Rule, caller
from .messages import Attributes
from .publishing import PublishOptions
from .transport.history import aresume, resume

logger = logging.getLogger("django_redis_bus.channels")

T = TypeVar("T")
R = TypeVar("R")


class Channel(ChannelTopic, Generic[T]):
    """A live topic: Redis pub/sub. Who does not listen misses it, except for what its history keeps.

    Args:
        name: hierarchical, with colons; may hold placeholders: "notifications", "chat:{room}".
        payload: as for Stream.
        parameters: the types of the placeholders, as msgspec reads them: {"id": int}, {"room": Annotated[str,
            Meta(pattern="^[a-z]+$")]}. Default: text without spaces, colons, braces and glob characters.
        history: keep so many of the newest messages in Redis, so that who comes back can go on where it was. Read by
            `CHAT(room="lobby").history()`.
        history_age_s: forget them so many seconds after the last one.
        redact: places in the data whose values no log and no error text may show.
        version: the schema version of what is published now.
        can_join: which users may hear it in a browser: a function (user, **parameters) -> bool, `def` or `async def`,
            or a permission such as "chat.view_room". Default: nobody.
        can_publish: which users may publish to it from a browser; as `can_join`.
        presence: tell the browsers of a room who is there.
        bus: alias in REDIS_BUS.

    Raises ConfigurationError for a name, type or number that cannot work.
    """

    @overload
    def __init__(
        self: Channel[T],
        name: str,
        *,
        payload: type[T],
        parameters: Mapping[str, Any] | None = None,
        history: int = 0,
        history_age_s: float = WEEK_S,
        redact: Iterable[str] = (),
        version: int = 1,
        can_join: Rule = None,
        can_publish: Rule = None,
        presence: bool = False,
        bus: str = "default",
    ) -> None: ...

    @overload
    def __init__(
        self: Channel[Any],
        name: str,
        *,
        payload: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        history: int = 0,
        history_age_s: float = WEEK_S,
        redact: Iterable[str] = (),
        version: int = 1,
        can_join: Rule = None,
        can_publish: Rule = None,
        presence: bool = False,
        bus: str = "default",
    ) -> None: ...

    def __init__(
        self,
        name: str,
        *,
        payload: Any = None,
        parameters: Mapping[str, Any] | None = None,
        history: int = 0,
        history_age_s: float = WEEK_S,
        redact: Iterable[str] = (),
        version: int = 1,
        can_join: Rule = None,
        can_publish: Rule = None,
        presence: bool = False,
        bus: str = "default",
    ) -> None:
        super().__init__(
            name, payload=payload, parameters=parameters, history=history, history_age_s=history_age_s, redact=redact,
            version=version, can_join=can_join, can_publish=can_publish, presence=presence, bus=bus,
            declared_in=caller(),
        )  # fmt: skip
        registry.add_channel(self)

    @property
    def bus(self) -> Bus:
        """The bus it belongs to."""
        return buses[self.bus_alias]

    def __call__(self, **parameters: object) -> BoundChannel:
        """Return the concrete channel for these parameters. Raises PayloadError if they do not fit."""
        return BoundChannel(self, self.parameters.format(parameters))

    def message(self, data: Any, **attributes: Unpack[Attributes]) -> Message:
        """Encode and validate a message now, to be sent later by `bus.send`. Arguments as for `publish`."""
        return self.bus.message(self, data, **attributes)

    def publish(self, data: Any, **options: Unpack[PublishOptions]) -> Published:
        """Publish one message to whoever listens now.

        Args:
            data: what happened; must fit the payload type.
            ephemeral: it is not kept in the history: somebody is typing.
            delivery: "immediate" or "on_commit"; a live message cannot wait in the outbox.
            type, key, subject, id, time, extensions, traceparent, using, deadline_s: as for Stream.publish. An id does
                not keep a message from being published twice.

        Returns:
            Published, with `receivers`, and with `epoch` and `offset` if it is kept.

        Raises:
            PayloadError: the data does not fit; the error names the path.
            EventTooLarge: above MAX_EVENT_BYTES.
            Unavailable: Redis did not answer within the deadline; the message may have been published all the same.
            TransportError: Redis is full and the history cannot keep it: it was not published.
            ConfigurationError: it was asked to wait in the outbox.
        """
        return self.bus.publish(self, data, **options)

    async def apublish(self, data: Any, **options: Unpack[PublishOptions]) -> Published:
        """The async twin of `publish`."""
        return await self.bus.apublish(self, data, **options)

    def history(self, limit: int = 100, *, deadline_s: float | None = None) -> list[Event[T]]:
        """Return the newest `limit` messages that are kept, oldest first. Raises TransportError.

        What does not fit the payload type any more is left out, and logged.
        """
        return self().history(limit, deadline_s=deadline_s)

    async def ahistory(self, limit: int = 100, *, deadline_s: float | None = None) -> list[Event[T]]:
        """The async twin of `history`."""
        return await self().ahistory(limit, deadline_s=deadline_s)

    def listener(
        self,
        misplaced: None = None,
        /,
        *,
        queue: int = QUEUE,
        overflow: Overflow = "drop_oldest",
        on_gap: Callable[[Gap], Any] | None = None,
        presence: bool = False,
    ) -> Callable[[Callable[..., R]], Callable[..., R]]:
        """Bind a function to every name of this channel; `manage.py listen_pattern` runs it.

        It takes an Event, and by keyword those placeholders of the name that it has parameters for, as their types:
        `def moderate(event, room)`. It may be `async def`, or `def`, which runs in a thread of its own. There is no
        ack: what it raises is logged and counted.

        Args:
            queue: most messages that wait for it.
            overflow: what happens beyond that: "drop_oldest", "drop_newest", "coalesce" (of each topic only the newest
                waits), or "block" (nothing more is read from Redis; it has a connection of its own for that).
            on_gap: called with a Gap where messages may be missing, before the first one after the hole.
            presence: also hear who comes to the rooms of browsers and goes: types "bus.presence.joined" and
                "bus.presence.left".

        Raises ConfigurationError for arguments that cannot be.
        """
        if misplaced is not None:
            raise ConfigurationError(f"{self!r}: listener takes parentheses: write @….listener() above the function.")

        def bind(fn: Callable[..., R]) -> Callable[..., R]:
            made = listener_of(fn, self, queue=queue, overflow=overflow, on_gap=on_gap, presence=presence)
            registry.add_listener(self.bus_alias, made)
            return fn

        return bind

    def handler(self, *_: object, **__: object) -> NoReturn:
        """Refuse: channels have listeners."""
        raise ConfigurationError(
            f"{self!r} has listeners, not handlers: write @….listener(). A Stream has handlers, with retries."
        )


class BoundChannel(Address):
    """A channel with a concrete name: what `CHANNEL(room="lobby")` returns."""

    topic: ChannelTopic

    @property
    def bus(self) -> Bus:
        """The bus it belongs to."""
        return buses[self.topic.bus_alias]

    def message(self, data: Any, **attributes: Unpack[Attributes]) -> Message:
        """See Channel.message."""
        return self.bus.message(self, data, **attributes)

    def publish(self, data: Any, **options: Unpack[PublishOptions]) -> Published:
        """See Channel.publish."""
        return self.bus.publish(self, data, **options)

    async def apublish(self, data: Any, **options: Unpack[PublishOptions]) -> Published:
        """The async twin of `publish`."""
        return await self.bus.apublish(self, data, **options)

    def history(self, limit: int = 100, *, deadline_s: float | None = None) -> list[Event[Any]]:
        """See Channel.history."""
        bus = self.bus
        within_s = deadline_s or bus.config.deadline_s
        return self._events(resume(bus.clients, self._keys, limit=_most(limit), deadline_s=within_s).messages)

    async def ahistory(self, limit: int = 100, *, deadline_s: float | None = None) -> list[Event[Any]]:
        """The async twin of `history`."""
        bus = self.bus
        within_s = deadline_s or bus.config.deadline_s
        found = await aresume(bus.clients, self._keys, limit=_most(limit), deadline_s=within_s)
        return self._events(found.messages)

    def listener(self, *_: object, **__: object) -> NoReturn:
        """Refuse: a listener is bound to every name of a Channel."""
        raise ConfigurationError(
            f"{self.name!r} is one name of {self.topic!r}, and listeners are bound to all of them: write @….listener() "
            f"on the Channel itself, and look at event.topic; or await bus.subscribe(…, function) for one name."
        )

    @property
    def _keys(self) -> ChannelKeys:
        return ChannelKeys(stream_key(self.bus.config.key_prefix, self.name))

    def _events(self, messages: list[bytes]) -> list[Event[Any]]:
        reader = LiveReader(self.topic.payloads, max_bytes=self.bus.config.max_event_bytes)
        events = []
        for raw in messages:
            try:
                events.append(reader.read(self.name, raw))
            except UnreadableEntry as error:
                logger.warning("Channel %r: a message of its history cannot be read: %s", self.name, error.reason)
        return events


def _most(limit: int) -> int:
    if limit < 0:
        raise ConfigurationError(f"limit is a number of messages, not {limit!r:.50}.")
    return limit
