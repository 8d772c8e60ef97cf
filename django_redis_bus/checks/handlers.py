"""Checks of streams and handlers."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from itertools import combinations

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import connections, router

from .. import registry
from ..core.config import BusConfig
from ..core.exceptions import did_you_mean
from ..core.handlers import Handler, conflicts
from ..core.topics import StreamTopic
from ..inbox.rows import inbox_model
from .emitted import Emitted, near_miss, of_bus


def check_handlers(configs: Mapping[str, BusConfig]) -> list[CheckMessage]:
    """bus.E010–E015, E017, E018, W010: streams that overlap, and handlers that could not work as they are bound."""
    messages: list[CheckMessage] = []
    for alias, config in configs.items():
        streams = registry.streams(alias)
        emitted = of_bus(config)
        messages += _names(alias, streams)
        groups: dict[tuple[str, str], list[Handler]] = defaultdict(list)
        for handler in registry.handlers(alias):
            groups[handler.stream, handler.group].append(handler)
            messages += _signature(handler)
            messages += _types(handler, streams)
            messages += _misspelt(handler, streams, emitted.get(handler.stream))
            messages += _inbox(handler)
        for (stream, group), handlers in groups.items():
            messages += [Error(p.message, hint=p.hint, id=p.id) for p in conflicts(stream, group, handlers)]
    known = set(configs)
    messages += [
        Error(
            f"{stream!r} is declared for bus {stream.bus_alias!r}, which REDIS_BUS does not have.",
            hint=did_you_mean(stream.bus_alias, known).strip(),
            id="bus.E010",
        )
        for stream in registry.declared()
        if stream.bus_alias not in known
    ]
    return messages


def _names(alias: str, streams: list[StreamTopic]) -> list[CheckMessage]:
    """Two names that some concrete name belongs to both of."""
    return [
        Error(
            f"Streams {one.name!r} and {two.name!r} of bus {alias!r} overlap: some names belong to both.",
            hint="Change one of the names so that their fixed parts differ.",
            id="bus.E011",
        )
        for one, two in combinations(streams, 2)
        if one.pattern.overlaps(two.pattern)
    ]


def _signature(handler: Handler) -> list[CheckMessage]:
    fn = getattr(handler.fn, "__wrapped__", handler.fn) if handler.idempotent else handler.fn
    try:
        # A partial with its function's name says that it takes what the function takes, which it does not.
        inspect.signature(fn, follow_wrapped=not isinstance(fn, partial)).bind(None)
    except TypeError as error:
        takes = "one list of Events" if handler.batch else "one Event"
        return [
            Error(
                f"Handler {handler.name} cannot be called with one argument: {error}.",
                hint=f"It takes {takes}: def {handler.fn.__name__}(event): …",
                id="bus.E014",
            )
        ]
    except ValueError:
        pass  # a callable without a readable signature
    return []


def _types(handler: Handler, streams: list[StreamTopic]) -> list[CheckMessage]:
    stream = next((s for s in streams if s.name == handler.stream), None)
    declared = stream.payloads.by_type if stream else None
    if declared is None or handler.types is None:
        return []
    return [
        Error(
            f"Handler {handler.name} wants type {unknown!r}, which stream {handler.stream!r} does not declare.",
            hint=did_you_mean(unknown, declared).strip(),
            id="bus.E015",
        )
        for unknown in sorted(handler.types - declared.keys())
    ]


def _misspelt(handler: Handler, streams: list[StreamTopic], emitted: Emitted | None) -> list[CheckMessage]:
    """Types that look like a slip of the pen. Any other type may be published by code."""
    declared = any(s.name == handler.stream and s.payloads.by_type is not None for s in streams)
    if emitted is None or declared or handler.types is None:
        return []
    return [
        CheckWarning(
            f"Handler {handler.name} wants type {wanted!r}, which no publisher sends to stream {handler.stream!r}.",
            hint=f"Did you mean {meant!r}?",
            id="bus.W010",
        )
        for wanted in sorted(handler.types)
        if not emitted.has(wanted) and (meant := near_miss(wanted, emitted.types)) is not None
    ]


def _inbox(handler: Handler) -> list[CheckMessage]:
    """Whether the database of an idempotent handler is there and may have the table of handled events."""
    if not handler.idempotent:
        return []
    alias = handler.using or router.db_for_write(inbox_model())
    if alias not in connections.settings:
        return [
            Error(
                f"Handler {handler.name} is to use database {alias!r}, which DATABASES does not have.",
                hint=did_you_mean(alias, connections.settings).strip(),
                id="bus.E017",
            )
        ]
    if not router.allow_migrate_model(alias, inbox_model()):
        return [
            Error(
                f"Handler {handler.name} is idempotent, but the routers keep InboxEvent out of its database {alias!r}.",
                hint=f"Let allow_migrate({alias!r}, 'django_redis_bus', …) of DATABASE_ROUTERS return True, or name "
                "the database that the handler writes to: using=….",
                id="bus.E018",
            )
        ]
    return []
