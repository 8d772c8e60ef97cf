"""What a handler may return."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import isawaitable, iscoroutine


def refuse(returned: object, name: str) -> None:
    """Raise TypeError for what was not meant as success: an exception that is returned, a coroutine nobody runs.

    Args:
        returned: by a handler that takes one event.
        name: the handler's.
    """
    if isinstance(returned, BaseException):
        raise TypeError(f"handler {name} returned a {type(returned).__name__}; write raise, not return")
    if isawaitable(returned):
        if iscoroutine(returned):
            returned.close()
        raise TypeError(
            f"handler {name} is a `def` that returned an awaitable, so it did nothing. If a decorator wraps an "
            "`async def`, make its wrapper `async def` too."
        )


def errors_of(said: object, count: int, name: str) -> list[BaseException | None]:
    """Return one error or None per event from what a batch handler returned.

    Args:
        said: by the handler.
        count: how many events it was given.
        name: the handler's.

    Raises TypeError for what says nothing of each event.
    """
    if said is None:
        return [None] * count
    if not isinstance(said, Sequence) or len(said) != count:
        raise TypeError(
            f"batch handler {name} must return None, or a sequence with one item (None or an exception) "
            f"for each of its {count} events; it returned {type(said).__name__}"
        )
    for item in said:
        if item is not None and not isinstance(item, BaseException):
            raise TypeError(
                f"batch handler {name} returned a {type(item).__name__} for an event, not None or an exception"
            )
    return list(said)
