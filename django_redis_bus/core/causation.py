"""Which event is being handled right now, so that what its handler publishes can name its cause."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

import msgspec

from .events import Event
from .exceptions import HopLimitExceeded

# Later versions may have more at the end: https://www.w3.org/TR/trace-context/#versioning-of-traceparent
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")

handling: ContextVar[Event[Any] | None] = ContextVar("django_redis_bus_handling", default=None)
"""The event whose handler runs in this context; set by the correlation middleware."""


class Cause(NamedTuple):
    """What a published event inherits from the event being handled."""

    traceparent: str | None
    correlation_id: str | None
    causation_id: str | None
    hops: int


def cause_of(event: Event[Any] | None, *, max_hops: int) -> Cause | None:
    """Return what an event published now inherits from `event`, the one being handled.

    Raises HopLimitExceeded when the chain would be longer than `max_hops`.
    """
    if event is None:
        return None
    hops = event.hops + 1
    if hops > max_hops:
        raise HopLimitExceeded(
            f"Event {event.id} ({event.type}, {event.topic}) is already {event.hops} hops from the first of its chain; "
            f"another would exceed MAX_HOPS = {max_hops}. A handler's own saves probably publish the event it handles: "
            "give the publisher a WHEN or ONLY_IF_CHANGED, or raise MAX_HOPS if the chain is meant to be this long."
        )
    return Cause(child_traceparent(event.traceparent), event.correlation_id or event.id or None, event.id or None, hops)


def together(events: Sequence[Event[Any]]) -> Event[Any]:
    """Return the event that stands for a batch: what it causes is as far from the first as the batch's farthest.

    With several events nobody can say which of them was the cause, so it has no id.
    """
    farthest = max(events, key=lambda event: event.hops)
    if len(events) == 1:
        return farthest
    return msgspec.structs.replace(farthest, id="", correlation_id=None, traceparent=None, key=None, subject=None)


def child_traceparent(parent: str | None) -> str | None:
    """Return a traceparent of the same trace with a new span id, or None without a usable parent.

    https://www.w3.org/TR/trace-context/#traceparent-header
    """
    found = _TRACEPARENT.fullmatch(parent) if parent is not None else None
    return f"00-{found[1]}-{os.urandom(8).hex()}-{found[2]}" if found else None
