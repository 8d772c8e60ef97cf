"""From what a project declares to loops that run: streams, groups and handlers wired to runtime and transport."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Lock

import msgspec
from django.utils.module_loading import import_string

from . import conf, registry
from .bus import Bus, buses
from .core.config import Retention
from .core.exceptions import ConfigurationError, UnknownTopic, did_you_mean
from .core.handlers import Handler, MiddlewareHooks, Router, conflicts
from .core.keys import GroupKeys, stream_key, streams_key
from .core.pace import Pace
from .core.ports import Opened
from .core.reading import EntryReader
from .core.redaction import Redaction
from .core.topics import StreamTopic
from .encoding import serializers
from .inbox import require_inbox
from .middleware import DEFAULT
from .runtime.aio import AsyncExecutor, LoopThread
from .runtime.dispatch import Dispatcher
from .runtime.executors import Executor
from .runtime.health import Health
from .runtime.inline import InlineExecutor
from .runtime.loop import GroupLoop
from .runtime.options import LoopOptions
from .runtime.orders import Orders
from .runtime.stopping import Stopping
from .runtime.threads import ThreadExecutor
from .runtime.worker import Worker
from .transport.group import RedisGroupLink

BATCH = 100
"""Most entries per read unless told otherwise."""

LAST_SEQUENCE = "18446744073709551615"
"""The highest second part of an entry id."""

_ENTRY_ID = re.compile(r"\d{1,20}(-\d{1,20})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumeOptions:
    """What `consume_stream` was told.

    Attributes:
        topics: concrete stream names; none is every stream that has handlers.
        groups: only these groups; none is all.
        consumer: the consumer's name; "" takes a free one of this host.
        threads: run `def` handlers in so many threads per group; 0 runs them in the loop.
        batch: most entries per read.
        start: where a new group begins: "all", "new", an entry id, or an RFC 3339 time.
        burst: end when nothing is left to do now.
        max_events: end each loop after so many outcomes.
        lease_s: overrides LEASE.
    """

    topics: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    consumer: str = ""
    threads: int = 0
    batch: int = BATCH
    start: str = "all"
    burst: bool = False
    max_events: int | None = None
    lease_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One group of one concrete stream and its handlers."""

    topic: str
    stream: StreamTopic
    group: str
    handlers: tuple[Handler, ...]


def start_id(text: str, what: str = "--from", words: str = "new, all, ") -> str:
    """Return the id after which a new group begins.

    Args:
        text: "all", "new", an entry id such as "1700000000000-0", or a time such as "2026-11-22T08:00:00Z".
        what: how it is called where it was given, for messages.
        words: those that can be given there, for messages.

    Raises ConfigurationError for anything else.
    """
    if text == "all":
        return "0"
    if text == "new":
        return "$"
    if _ENTRY_ID.fullmatch(text) and all(int(part) < 2**64 for part in text.split("-")):
        return text
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigurationError(
            f"{what} {text!r} is neither {words}an entry id (1700000000000-0), nor a time with its zone "
            "(2026-11-22T08:00:00Z)."
        )
    # A group begins after its id: one millisecond earlier, so that the moment itself is included.
    return f"{max(0, int(moment.timestamp() * 1000) - 1)}-{LAST_SEQUENCE}"


def subscriptions(bus: Bus, topics: Sequence[str], groups: Sequence[str]) -> list[Subscription]:
    """Return what to consume.

    Raises:
        UnknownTopic: a name that nothing declares; lists the known ones.
        ConfigurationError: a stream without handlers, an unknown group, handlers that cannot share a group.
    """
    handlers = list(registry.handlers(bus.alias))
    if not handlers:
        raise ConfigurationError(
            f"Bus {bus.alias!r} has no handlers. Write one in the handlers.py of an installed app: "
            "@ORDERS.handler(group=…)."
        )
    found: list[Subscription] = []
    for topic in topics or _with_handlers(bus, handlers):
        stream = registry.stream(bus.alias, topic)
        here = [h for h in handlers if h.stream == stream.name]
        if not here:
            known = sorted({h.stream for h in handlers})
            raise ConfigurationError(f"Stream {topic!r} has no handlers. Streams with handlers: {', '.join(known)}.")
        if stream.pattern.parameters and topic == stream.name:
            example = stream.pattern.format(dict.fromkeys(stream.pattern.parameters, "1"))
            raise UnknownTopic(
                f"{topic!r} has placeholders; name the concrete streams to consume, such as {example!r}."
            )
        for group in sorted({h.group for h in here}):
            if not groups or group in groups:
                members = tuple(h for h in here if h.group == group)
                for problem in conflicts(stream.name, group, members):
                    raise ConfigurationError(f"{problem.message} {problem.hint}")
                found.append(Subscription(topic=topic, stream=stream, group=group, handlers=members))
    unknown = set(groups) - {s.group for s in found}
    if unknown:
        name = min(unknown)
        known_groups = {
            h.group for h in handlers if not topics or h.stream in {registry.stream(bus.alias, t).name for t in topics}
        }
        raise ConfigurationError(f"No handler is in a group {name!r}. {did_you_mean(name, known_groups).strip()}")
    return found


def _with_handlers(bus: Bus, handlers: Sequence[Handler]) -> list[str]:
    """Return every stream with handlers whose name is concrete."""
    names = list(
        dict.fromkeys(h.stream for h in handlers if not registry.stream(bus.alias, h.stream).pattern.parameters)
    )
    if not names:
        raise ConfigurationError("Every stream with handlers has placeholders; name the concrete streams to consume.")
    return names


def build(
    bus: Bus,
    options: ConsumeOptions,
    stopping: Stopping,
    opened: Callable[[str, Subscription, Opened], None] = lambda consumer, subscription, state: None,
) -> Worker:
    """Return a Worker with one loop per subscription. `opened` is called when a loop has opened its group."""
    found = subscriptions(bus, options.topics, options.groups)
    start = start_id(options.start)
    for using in {h.using for s in found for h in s.handlers if h.idempotent}:
        require_inbox(using)
    health, alone = Health(stopping), Lock()
    loop_thread = LoopThread(_close_connections) if any(s.handlers[0].is_async for s in found) else None
    loops = [_loop(bus, s, options, start, stopping, health, alone, loop_thread, opened) for s in found]
    return Worker(loops, stopping, at_end=loop_thread.close if loop_thread else lambda: None)


async def _close_connections() -> None:
    """Close what `async def` handlers have published over."""
    for each in buses.values():
        await each.clients.aclose()


def _loop(
    bus: Bus,
    subscription: Subscription,
    options: ConsumeOptions,
    start: str,
    stopping: Stopping,
    health: Health,
    alone: Lock,
    loop_thread: LoopThread | None,
    opened: Callable[[str, Subscription, Opened], None],
) -> GroupLoop:
    config = bus.config
    router = Router(subscription.handlers)
    hooks = middleware(config.middleware, stream=subscription.topic, group=subscription.group)
    read = reader(bus, subscription.stream, subscription.topic)
    paths = redacted(bus, subscription.stream)
    redaction = Redaction(paths, read.plain_data) if paths else None
    dispatcher = Dispatcher(read, router, hooks, random.random, redaction, group=subscription.group)
    batch = min(options.batch, router.batch) if router.batch else options.batch
    executor: Executor
    name = f"bus-{subscription.topic}-{subscription.group}"
    if loop_thread is not None and router.kind == "async":
        executor = AsyncExecutor(dispatcher, loop=loop_thread.loop, slots=batch)
    elif router.kind == "batch":
        executor = InlineExecutor(dispatcher, batch=batch)
    elif options.threads:
        executor = ThreadExecutor(dispatcher, threads=options.threads, name=name)
    else:
        executor = InlineExecutor(dispatcher)
    lease_s = options.lease_s or config.lease_s
    keys = GroupKeys(stream=stream_key(config.key_prefix, subscription.topic), group=subscription.group)
    return GroupLoop(
        RedisGroupLink(
            bus.clients,
            keys,
            name=options.consumer,
            lease_ms=int(lease_s * 1000),
            listed=(streams_key(config.key_prefix), subscription.topic),
        ),
        executor,
        # A call of a batch handler costs about the same for one event as for many: a whole batch is one slot's work.
        Pace(slots=batch if router.kind == "batch" else executor.slots, batch=batch),
        LoopOptions(
            stream=subscription.topic,
            group=subscription.group,
            start=start,
            lease_s=lease_s,
            retention=retention(bus, subscription.stream),
            burst=options.burst,
            max_events=options.max_events,
        ),
        orders=Orders(subscription.group, f"{subscription.topic} {subscription.group}", partial(_hold, dispatcher)),
        stopping=stopping,
        health=health,
        luck=random.random,
        opened=lambda consumer, state: opened(consumer, subscription, state),
        alone=alone,
    )


def _hold(dispatcher: Dispatcher, handlers: frozenset[str]) -> None:
    dispatcher.paused = handlers


def reader(bus: Bus, stream: StreamTopic, topic: str) -> EntryReader:
    """Return what reads the entries of a concrete stream."""
    return EntryReader(topic, stream.payloads, list(serializers().values()), max_bytes=bus.config.max_event_bytes)


def retention(bus: Bus, stream: StreamTopic) -> Retention:
    """Return what is kept of a stream: as in settings, else as declared in code, else the default."""
    configured = bus.config.streams.get(stream.name)
    return (configured.retention if configured else None) or stream.retention or Retention()


def redacted(bus: Bus, stream: StreamTopic) -> tuple[str, ...]:
    """Return the paths in a stream's data that must not be shown: as in settings, else as declared in code."""
    configured = bus.config.streams.get(stream.name)
    return (configured.redact if configured else ()) or stream.redact


def middleware(paths: Sequence[str] | None, *, stream: str, group: str) -> list[MiddlewareHooks]:
    """Return instances of the middleware for one group; None is the default list. Raises ConfigurationError."""
    made: list[MiddlewareHooks] = []
    for path in DEFAULT if paths is None else paths:
        try:
            kind = import_string(path)
        except ImportError as error:
            raise ConfigurationError(f"MIDDLEWARE: {path!r} cannot be imported: {error}") from error
        try:
            one = kind()
        except Exception as error:
            raise ConfigurationError(f"MIDDLEWARE: {path}() failed: {error!r}") from error
        one.stream, one.group = stream, group
        made.append(one)
    return made


def consume(bus: Bus, options: ConsumeOptions) -> Worker:
    """Consume in this thread until nothing is left to do now, and return the finished Worker. For tests and scripts.

    Raises what ended a loop, if one failed.
    """
    worker = build(bus, options, Stopping(conf.configs()[bus.alias].drain_s))
    worker.run_here()
    for loop in worker.loops:
        if loop.fatal is not None:
            raise loop.fatal
    return worker
