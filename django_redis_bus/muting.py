"""Which buses this thread or task publishes nothing to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_muted: ContextVar[frozenset[str]] = ContextVar("muted", default=frozenset())


@contextmanager
def muting(alias: str) -> Iterator[None]:
    """Mute a bus inside the block."""
    token = _muted.set(_muted.get() | {alias})
    try:
        yield
    finally:
        _muted.reset(token)


def is_muted(alias: str) -> bool:
    """Return whether this thread or task is inside `muting`."""
    return alias in _muted.get()
