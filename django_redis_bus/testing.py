"""For a project's own tests: see what it publishes, make events for its handlers, run its consumers once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Unpack
from unittest import mock
from uuid import uuid4

from django.db import connections
from django.test import override_settings

from . import conf, registry
from .bus import Bus, Topic, buses
from .consuming import ConsumeOptions, reader
from .consuming import consume as consume_until_idle
from .core.events import Event, Message
from .core.topics import StreamTopic
from .delivery import Batch
from .messages import Attributes
from .runtime.settling import Counts
from .sending import Attempted, Sender
from .transport.publish import Appended


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """One event that would have been sent.

    Attributes:
        bus: the alias.
        event: as a handler would get it.
        message: as it would have been sent.
    """

    bus: str
    event: Event[Any]
    message: Message


@contextmanager
def capture_events() -> Iterator[list[Captured]]:
    """Collect what is published inside the block instead of sending it; Redis is not needed.

        with capture_events() as captured:
            Order.objects.create(...)
        assert [c.event.type for c in captured] == ["shop.order.created"]

    Publishers wait for the commit, which a TestCase (and pytest-django's `db` fixture) never does. So at the end of
    the block what they hold back is captured as well; what was rolled back inside it is not.
    """
    captured: list[Captured] = []

    def attempt(self: Sender, messages: Sequence[Message], deadline_s: float | None = None) -> list[Attempted]:
        bus = buses[self.config.alias]
        captured.extend(Captured(bus=bus.alias, event=_event(bus, m), message=m) for m in messages)
        return [Appended("0-0", known=False) for _ in messages]

    async def aattempt(self: Sender, messages: Sequence[Message], deadline_s: float | None = None) -> list[Attempted]:
        return attempt(self, messages)

    before = {alias: len(connections[alias].run_on_commit) for alias in connections}
    with mock.patch.multiple(Sender, attempt=attempt, aattempt=aattempt, fast_path=True):
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
    """Return the Event that a handler would get if `data` were published now; for calling a handler directly.

        charge(event_for(ORDERS, OrderEvent(id=7), type="shop.order.created"))

    Args:
        topic: a Stream, or the name of one of the default bus.
        data: goes through encoding, validation and decoding.
        attempt: number of the run.
        attributes: as for Stream.publish.
    """
    alias = "default"
    if not isinstance(topic, str):
        alias = (topic if isinstance(topic, StreamTopic) else topic.stream).bus_alias
    bus = buses[alias]
    return _event(bus, bus.message(topic, data, **attributes), attempt)


def consume(*streams: str, bus: str = "default", groups: Sequence[str] = ()) -> Counts:
    """Run the handlers of `streams` (default: all) in this thread until nothing is left to do now. Needs Redis.

    Returns how many events were handled, put aside for a retry, and given up.
    """
    options = ConsumeOptions(topics=streams, groups=tuple(groups), burst=True)
    total = Counts()
    for loop in consume_until_idle(buses[bus], options).loops:
        counts = loop.settling.counts
        total.handled += counts.handled
        total.retried += counts.retried
        total.dead += counts.dead
        total.taken_over += counts.taken_over
    return total


def _event(bus: Bus, message: Message, attempt: int = 1) -> Event[Any]:
    flat = [field.encode() if isinstance(field, str) else field for field in message.fields]
    return reader(bus, registry.stream(bus.alias, message.topic), message.topic).read(b"0-0", flat, attempt)


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
