"""A listener: a function bound to a channel or a pattern. It has no memory and no ack."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

from .exceptions import ConfigurationError

Overflow: TypeAlias = Literal["drop_oldest", "drop_newest", "coalesce", "block"]
"""What happens when messages come faster than a listener takes them, and its queue is full."""
OVERFLOWS: tuple[str, ...] = get_args(Overflow)
QUEUE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """See the module."""

    name: str
    """Dotted name of the function."""
    fn: Callable[..., Any]
    """Takes an Event, and by keyword those of the channel's parameters that it names."""
    is_async: bool
    channel: str = ""
    """The channel as declared, placeholders included; "" if it was not bound to a declared one."""
    parameters: tuple[str, ...] = ()
    """The placeholders whose values it is given."""
    queue: int = QUEUE
    """Most messages that wait for it."""
    overflow: Overflow = "drop_oldest"
    on_gap: Callable[[Any], Any] | None = None
    """Takes a Gap; `def` or `async def`."""
    presence: bool = False
    """Whether it also hears who comes to the rooms of browsers and goes."""


def wanted(fn: Callable[..., Any], placeholders: Sequence[str]) -> tuple[str, ...]:
    """Return the placeholders whose values `fn` takes beside the event."""
    try:
        found = list(_signature(fn).parameters.values())
    except ValueError:  # a callable without a readable signature
        return ()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in found):
        first = found[0].name if found[0].kind is not inspect.Parameter.VAR_KEYWORD else ""
        return tuple(name for name in placeholders if name != first)
    by_name = {p.name for p in found[1:] if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return tuple(name for name in placeholders if name in by_name)


def first_parameter(fn: Callable[..., Any]) -> str | None:
    """Return what the parameter is called that `fn` takes the event by."""
    try:
        return next(iter(_signature(fn).parameters), None)
    except ValueError:
        return None


def misfit(listener: Listener) -> str | None:
    """Return why the function cannot be called as it will be, None if it can."""
    try:
        _signature(listener.fn).bind(None, **dict.fromkeys(listener.parameters))
    except TypeError as error:
        return str(error)
    except ValueError:
        pass
    return None


def gap_misfit(on_gap: Callable[..., Any]) -> str | None:
    """Return why `on_gap` cannot be called with one Gap, None if it can."""
    try:
        _signature(on_gap).bind(None)
    except TypeError as error:
        return str(error)
    except ValueError:
        pass
    return None


def check_queue(place: str, queue: object, overflow: object, on_gap: object) -> None:
    """Raise ConfigurationError for arguments of a listener that cannot be."""
    if isinstance(queue, bool) or not isinstance(queue, int) or queue < 1:
        raise ConfigurationError(f"{place}: queue is the most messages that wait, at least 1, not {queue!r:.50}.")
    if overflow not in OVERFLOWS:
        raise ConfigurationError(
            f"{place}: overflow is one of {', '.join(map(repr, OVERFLOWS))}, not {overflow!r:.50}."
        )
    if on_gap is not None and not callable(on_gap):
        raise ConfigurationError(f"{place}: on_gap is a function that takes a Gap, not {on_gap!r:.50}.")


def _signature(fn: Callable[..., Any]) -> inspect.Signature:
    # A partial with its function's name says that it takes what the function takes, which it does not.
    return inspect.signature(fn, follow_wrapped=not isinstance(fn, partial))
