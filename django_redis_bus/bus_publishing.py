"""What a Bus publishes: one event or many, now or later, to streams and channels."""

from __future__ import annotations

import warnings
from asyncio import _get_running_loop as running_loop
from collections.abc import Sequence
from typing import Any, TypeAlias, Unpack

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS

from . import registry
from .core.config import BusConfig
from .core.events import Message, Published
from .core.exceptions import BusError, ConfigurationError
from .core.topics import Address, ChannelTopic, StreamTopic
from .delivery import Outgoing, deliver
from .messages import Attributes, MessageFactory
from .muting import is_muted
from .outbox import rows, table
from .outbox.waking import notify
from .publishing import Plan, PublishOptions, plan_of
from .sending import Result, Sender

Topic: TypeAlias = StreamTopic | ChannelTopic | Address | str
Item: TypeAlias = Message | tuple[Topic, Any]


class Publishing:
    """The part of a Bus that publishes.

    Args:
        config: the bus's.
        sender: sends for it.
    """

    def __init__(self, config: BusConfig, sender: Sender) -> None:
        self.config = config
        self.alias = config.alias
        self.sender = sender
        self._messages = MessageFactory(config)

    @property
    def is_muted(self) -> bool:
        """Whether this thread or task is inside `muted()`."""
        return is_muted(self.alias)

    def publish(self, topic: Topic, data: Any, **options: Unpack[PublishOptions]) -> Published:
        """Publish one event. `topic` is a Stream or Channel, or the name of a declared one; the rest as for theirs."""
        plan, attributes = plan_of(options)
        message = self.message(topic, data, **attributes)
        if message.live is not None:
            _refuse_to_wait(plan, message)
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

    def message(self, topic: Topic, data: Any, **attributes: Unpack[Attributes]) -> Message:
        """Encode and validate an event now, to be sent later by `send`. Arguments as for `publish`."""
        if isinstance(topic, str):
            address = registry.address(self.alias, topic)
        else:
            address = topic if isinstance(topic, Address) else topic.address()
        return self._messages.make(address, data, **attributes)


_BLOCKS = "A synchronous publish blocks the running event loop; use its async twin: apublish, apublish_many, asend."


def _one(results: list[Result]) -> Published:
    if isinstance(results[0], BusError):
        raise results[0]
    return results[0]


def _stated(message: Message, state: Any) -> Published:
    return Published(topic=message.topic, event_id=message.event_id, state=state)


def _refuse_to_wait(plan: Plan, message: Message) -> None:
    if plan.at_ms is not None or plan.delivery == "outbox":
        raise ConfigurationError(
            f"Channel {message.topic!r} is live: what is published to it cannot wait in the outbox. Use delivery="
            "'on_commit' or 'immediate' without delay and at, or publish to a Stream."
        )
