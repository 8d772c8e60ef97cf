"""A handler, and which handler of a group gets an event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from .events import Event
from .policy import Decision, Retry
from .ports import Delivery
from .sections import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A function bound to a stream in a consumer group."""

    name: str
    """Dotted name of the function."""
    stream: str
    """The stream as declared, placeholders included."""
    group: str
    fn: Callable[[Any], Any]
    """Takes an Event, or a list of them if `batch` is set."""
    types: frozenset[str] | None = None
    """Event types it wants; None is all."""
    retry: Retry
    batch: int | None = None
    """Most events per call of a batch handler; None for one event per call."""
    is_async: bool = False
    idempotent: bool = False
    """Whether `fn` wraps the function so that it has its effect once per event."""
    using: str | None = None
    """Alias of the database that this needs; None is the one that the routers say."""

    @property
    def kind(self) -> str:
        """What runs it: "sync", "async" or "batch". One group has handlers of one kind."""
        return "batch" if self.batch else "async" if self.is_async else "sync"


class MiddlewareHooks(Protocol):
    """What the dispatcher calls; `middleware.Middleware` has every hook as a no-op, which is then never called."""

    def begin(self) -> None: ...

    async def abegin(self) -> None: ...

    def around(self, event: Event[Any], handler: Handler) -> AbstractContextManager[object] | None: ...

    def failed(self) -> None: ...

    async def afailed(self) -> None: ...

    def outcome(
        self,
        handler: Handler | None,
        event: Event[Any] | None,
        delivery: Delivery,
        decision: Decision,
        seconds: float,
    ) -> None: ...


class Router:
    """The handlers of one group of one stream.

    Args:
        handlers: at least one, all of one kind.
    """

    def __init__(self, handlers: Sequence[Handler]) -> None:
        self.handlers = list(handlers)
        self._any = next((h for h in handlers if h.types is None), None)
        self._by_type = {t: h for h in handlers if h.types is not None for t in h.types}
        # With one handler for everything there is nothing to look up.
        self.only = handlers[0] if len(handlers) == 1 and handlers[0].types is None else None

    def route(self, event_type: str) -> Handler | None:
        """Return the handler for a type, None if this group does not want it."""
        return self._by_type.get(event_type, self._any)

    @property
    def kind(self) -> str:
        return self.handlers[0].kind

    @property
    def batch(self) -> int | None:
        """Most events per read that a batch handler asked for."""
        sizes = [h.batch for h in self.handlers if h.batch]
        return min(sizes) if sizes else None


def conflicts(stream: str, group: str, handlers: Sequence[Handler]) -> list[Problem]:
    """Return what keeps these handlers from sharing a group."""
    problems = []
    place = f"Stream {stream!r}, group {group!r}"
    for i, one in enumerate(handlers):
        for two in handlers[i + 1 :]:
            both = "every type" if one.types is None or two.types is None else ", ".join(sorted(one.types & two.types))
            if both:
                problems.append(
                    Problem(
                        id="bus.E012",
                        message=f"{place}: {one.name} and {two.name} both want {both}.",
                        hint="Only one of them would run. Give each its own group, or types that do not overlap.",
                    )
                )
    if len({h.kind for h in handlers}) > 1:
        kinds = ", ".join(f"{h.name} ({h.kind})" for h in handlers)
        problems.append(
            Problem(
                id="bus.E013",
                message=f"{place} mixes kinds of handlers: {kinds}.",
                hint="A group has `def`, or `async def`, or batch handlers. Use separate groups.",
            )
        )
    return problems
