"""For a project's own tests: see what it publishes, make events for its handlers, run its consumers once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import unwrap
from typing import Any, Unpack, cast
from unittest import mock
from uuid import uuid4

from django.db import connections
from django.test import override_settings

from . import conf, registry
from .bus import Bus, Topic, buses
from .consuming import ConsumeOptions
from .consuming import consume as consume_until_idle
from .consuming import reader as entry_reader
from .core.events import Event, Message, Published
from .core.live import LiveReader
from .core.topics import Address
from .delivery import Batch
from .messages import Attributes
from .runtime.settling import Counts
from .sending import Attempted, Sender
from .transport.publish import Appended, Cast


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """One event that would have been sent.

    Attributes:
        bus: the alias.
        event: as a handler would get it.
        message: as it would have been sent.
        at_ms: when it would have left, ms since 1970, if it was published with `delay` or `at`.
    """

    bus: str
    event: Event[Any]
    message: Message
    at_ms: int | None = None


@contextmanager
def capture_events() -> Iterator[list[Captured]]:
    """Collect what is published inside the block instead of sending it; Redis is not needed.

        with capture_events() as captured:
            Order.objects.create(...)
        assert [c.event.type for c in captured] == ["shop.order.created"]

    Publishers wait for the commit, which a TestCase (and pytest-django's `db` fixture) never does. So at the end of
    the block what they hold back is captured as well, behind what was sent at once; what was rolled back inside it is
    not.
    """
    captured: list[Captured] = []

    def attempt(self: Sender, messages: Sequence[Message], deadline_s: float | None = None) -> list[Attempted]:
        bus = buses[self.config.alias]
        captured.extend(Captured(bus=bus.alias, event=_event(bus, m), message=m) for m in messages)
        return [Appended("0-0", known=False) if m.live is None else Cast(0) for m in messages]

    async def aattempt(self: Sender, messages: Sequence[Message], deadline_s: float | None = None) -> list[Attempted]:
        return attempt(self, messages)

    def schedule(self: Bus, message: Message, at_ms: int, using: str | None) -> Published:
        captured.append(Captured(bus=self.alias, event=_event(self, message), message=message, at_ms=at_ms))
        return Published(topic=message.topic, event_id=message.event_id, state="outbox")

    before = {alias: len(connections[alias].run_on_commit) for alias in connections}
    patched = mock.patch.multiple(Sender, attempt=attempt, aattempt=aattempt, fast_path=True)
    with patched, mock.patch.object(Bus, "_schedule", schedule):
        yield captured
        for alias, count in before.items():
            connection = connections[alias]
            if connection.in_atomic_block:
                for entry in connection.run_on_commit[count:]:
                    batch = getattr(entry[1], "__self__", None)
                    if isinstance(batch, Batch):
                        batch.commit()
                        connection.run_on_commit.remove(entry)


def event_for(topic: Topic, data: Any, *, attempt: int = 1, **attributes: Unpack[Attributes]) -> Event[Any]:
    """Return the Event that a handler would get if `data` were published now; for calling a handler or listener.

        charge(event_for(ORDERS, OrderEvent(id=7), type="shop.order.created"))

    Args:
        topic: a Stream or Channel, or the name of one of the default bus.
        data: goes through encoding, validation and decoding.
        attempt: number of the run.
        attributes: as for Stream.publish.
    """
    alias = "default"
    if not isinstance(topic, str):
        alias = (topic.topic if isinstance(topic, Address) else topic).bus_alias
    bus = buses[alias]
    return _event(bus, bus.message(topic, data, **attributes), attempt)


def deliver(handler: Callable[[Any], Any], event: Event[Any], *, group: str | None = None) -> Any:
    """Call a handler as a consumer would: with `idempotent=True` through its inbox. Redis is not needed.

        deliver(charge, event)
        deliver(charge, event)  # the second time it does nothing
        assert Charge.objects.count() == 1

    Args:
        handler: the decorated function.
        event: made by `event_for`; a batch handler gets a list of it alone.
        group: which of its groups, if it is bound more than once.

    Returns what it returns; of an `async def` handler, what there is to await.

    Raises LookupError if the function is no handler, or one of several groups.
    """
    bound = [h for alias in conf.configs() for h in registry.handlers(alias) if unwrap(h.fn) is unwrap(handler)]
    found = [h for h in bound if group is None or h.group == group]
    if not bound and (of := _listened(handler)) is not None:
        name = getattr(handler, "__name__", "listener")
        raise LookupError(f"{name} is a listener of channel {of!r}: call it, {name}(event_for(…, data), …).")
    if len(found) != 1:
        groups = ", ".join(repr(h.group) for h in bound) or "none"
        raise LookupError(f"{handler!r} is bound in the groups: {groups}. Say group=… to name one.")
    return found[0].fn([event] if found[0].batch else event)


def _listened(fn: Callable[[Any], Any]) -> str | None:
    """Return the channel that a function listens to."""
    listeners = (each for alias in conf.configs() for each in registry.listeners(alias))
    return next((each.channel for each in listeners if each.fn is fn), None)


def consume(*streams: str, bus: str = "default", groups: Sequence[str] = ()) -> Counts:
    """Run the handlers of `streams` (default: all) in this thread until nothing is left to do now. Needs Redis.

    Returns how many events were handled, put aside for a retry, and given up.
    """
    waiting = sum(
        isinstance(getattr(entry[1], "__self__", None), Batch)
        for connection in connections.all(initialized_only=True)
        for entry in connection.run_on_commit
    )
    if waiting:
        warnings.warn(_NO_COMMIT, RuntimeWarning, stacklevel=2)
    options = ConsumeOptions(topics=streams, groups=tuple(groups), burst=True)
    total = Counts()
    for loop in consume_until_idle(buses[bus], options).loops:
        counts = loop.settling.counts
        total.handled += counts.handled
        total.retried += counts.retried
        total.dead += counts.dead
        total.taken_over += counts.taken_over
    return total


_NO_COMMIT = (
    "Events wait for the commit of a transaction that is still open. A TestCase never commits: use "
    "TransactionTestCase, pytest.mark.django_db(transaction=True), or captureOnCommitCallbacks(execute=True)."
)


def _event(bus: Bus, message: Message, attempt: int = 1) -> Event[Any]:
    if message.live is not None:
        payloads = registry.channel(bus.alias, message.topic).payloads
        reader = LiveReader(payloads, max_bytes=bus.config.max_event_bytes)
        return reader.read(message.topic, cast("bytes", message.fields[0]))
    flat = [field.encode() if isinstance(field, str) else field for field in message.fields]
    return entry_reader(bus, registry.stream(bus.alias, message.topic), message.topic).read(b"0-0", flat, attempt)


@contextmanager
def isolated_bus() -> Iterator[None]:
    """Give every bus a key prefix that nobody else has, and delete its keys at the end of the block.

    Without it tests publish to the Redis that settings name, where a consumer may be listening.

        class LoanTests(TransactionTestCase):
            def setUp(self):
                self.enterContext(isolated_bus())

        @pytest.fixture(autouse=True)
        def bus():
            with isolated_bus():
                yield

    Needs Redis. Also a decorator: `@isolated_bus()`.
    """
    prefix = f"test-{uuid4().hex[:12]}"
    isolated = {alias: {**options, "KEY_PREFIX": prefix} for alias, options in conf.raw().items()}
    with override_settings(REDIS_BUS=isolated):
        try:
            yield
        finally:
            for alias in buses:
                buses[alias].clients.delete_keys(prefix)
