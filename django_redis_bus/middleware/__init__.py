"""Middleware: hooks around a handler's call. One file each; the default list stands here.

MIDDLEWARE of a bus replaces the list: `"MIDDLEWARE": [*DEFAULT, "shop.bus.Timing"]`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from ..core.events import Event
from ..core.handlers import Handler
from ..core.policy import Decision
from ..core.ports import Delivery

DEFAULT = (
    "django_redis_bus.middleware.connections.Connections",
    "django_redis_bus.middleware.correlation.Correlation",
    "django_redis_bus.middleware.logging.Logging",
)


def _no_op(hook: Any) -> Any:
    """Mark a hook of the base class, so that the dispatcher does not call it."""
    hook.is_no_op = True
    return hook


class Middleware:
    """Base class. Override what you need; one instance serves one consumer group, from all its threads.

    Attributes:
        stream: name of the stream it serves, without the key prefix.
        group: name of the consumer group.
    """

    stream = ""
    group = ""

    @_no_op
    def begin(self) -> None:
        """Called before each batch, in the thread that will run it."""

    @_no_op
    async def abegin(self) -> None:
        """Called before each batch of `async def` handlers, on their event loop."""

    @_no_op
    def around(self, event: Event[Any], handler: Handler) -> AbstractContextManager[object] | None:
        """Return a context manager to be entered around the handler's call, or None. For async handlers too."""
        return None

    @_no_op
    def failed(self) -> None:
        """Called after a handler raised, in its thread."""

    @_no_op
    async def afailed(self) -> None:
        """Called after an `async def` handler raised."""

    def wants_acks(self) -> bool:
        """Return whether `outcome` should hear of successes too; asked before each batch of `def` handlers."""
        return True

    @_no_op
    def outcome(
        self,
        handler: Handler | None,
        event: Event[Any] | None,
        delivery: Delivery,
        decision: Decision,
        seconds: float,
    ) -> None:
        """Called when it is decided what becomes of a delivery.

        Args:
            handler: None if the entry could not be read, or no handler of the group wants its type.
            event: None if the entry could not be read.
            delivery: the attempt.
            decision: Ack, RetryLater or DeadLetter of `core.policy`.
            seconds: what reading and running took.
        """
