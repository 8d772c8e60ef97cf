"""A dispatcher needs a reader and a router, and no Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django_redis_bus.core.handlers import Handler, Router
from django_redis_bus.core.policy import Decision, Retry, RetryLater
from django_redis_bus.core.ports import Delivery
from django_redis_bus.runtime.dispatch import Dispatcher
from tests.core.examples import entry, reader


def handler(fn: Callable[[Any], Any], *, types: Iterable[str] | None = None, **options: Any) -> Handler:
    usual: dict[str, Any] = {"name": fn.__name__, "retry": Retry(max_attempts=3, backoff_s=2)}
    return Handler(
        stream="events:order", group="billing", fn=fn, types=None if types is None else frozenset(types),
        **(usual | options),
    )  # fmt: skip


def dispatcher(*handlers: Handler, middleware: Iterable[Any] = (), payload: Any = None) -> Dispatcher:
    return Dispatcher(reader(payload), Router(handlers), list(middleware), lambda: 0.0)


def delivery(number: int = 1, *, data: bytes = b'{"id":7}', **more: Any) -> Delivery:
    """A delivery of an entry; options of Delivery, the rest are the entry's fields."""
    options = {name: more.pop(name) for name in ("attempt", "redelivered", "solo", "crashes") if name in more}
    return Delivery(b"%d-0" % number, entry(data=data, **more), **options)


def in_words(decision: Decision) -> str:
    """What a decision is: "Ack", "RetryLater 2", "rejected"."""
    if isinstance(decision, RetryLater):
        return f"RetryLater {decision.wait_s:g}"
    return getattr(decision, "reason", type(decision).__name__)
