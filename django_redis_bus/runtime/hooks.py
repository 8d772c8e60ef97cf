"""The hooks of middleware, as the dispatcher calls them: only those that do something, and none that fails in vain."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from ..core.handlers import MiddlewareHooks
from ..core.redaction import Scrub
from ..core.telling import loggable

logger = logging.getLogger("django_redis_bus.consumer")


def wants_acks(hook: Callable[..., Any]) -> bool:
    """Return whether the middleware that this `outcome` belongs to wants to hear of successes."""
    wants = getattr(getattr(hook, "__self__", None), "wants_acks", None)
    try:
        return wants is None or bool(wants())
    except Exception as trouble:
        complain(hook, trouble)
        return True


def complain(hook: Callable[..., Any], error: Exception, scrub: Scrub = str) -> None:
    name = getattr(hook, "__qualname__", hook)
    # Its context may be the handler's error.
    traceback, exc_info = loggable(error, scrub)
    logger.error("middleware %s failed%s", name, traceback, exc_info=exc_info)


def overridden(middleware: Sequence[MiddlewareHooks], hook: str) -> list[Callable[..., Any]]:
    """Return the bound hooks of those that do something in it."""
    found = []
    for one in middleware:
        method = getattr(one, hook, None)
        if method is not None and not getattr(method, "is_no_op", False):
            found.append(method)
    return found
