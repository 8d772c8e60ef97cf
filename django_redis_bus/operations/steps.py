"""Entries of a stream, in steps that are small in number and in bytes: nobody knows before how large they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .asking import Asking

STEP_BYTES = 1_000_000
"""So much comes at once; one entry always comes."""
WHOLE = 1_000_000_000
"""More values than an entry has."""

Raw = tuple[bytes, list[bytes]]


def step(
    asking: Asking, key: str, first: str, last: str, *, most: int, backwards: bool = False, values: int = WHOLE
) -> tuple[list[Raw], str | None]:
    """Return entries from one id to another, as many as one step holds, and the id of the next; None at the end.

    Args:
        first, last: both may come, as in XRANGE; `first` may be the higher one, `backwards`.
        most: entries.
        values: names and values of each entry, the first so many.

    Raises BusError.
    """
    command = "XREVRANGE" if backwards else "XRANGE"
    found, following = asking.run("see_entries", [key], command, first, last, most, STEP_BYTES, values)
    return [(entry_id, flat) for entry_id, flat in found], following.decode() or None


def these(asking: Asking, key: str, ids: Sequence[str], *, values: int = WHOLE) -> Iterator[list[Raw | None]]:
    """Yield, step by step, the entries of ids in their order, None for what is not there. Raises BusError."""
    left = ids
    while left:
        found = asking.run("see_these", [key], STEP_BYTES, values, *left)
        yield [(entry[0], entry[1]) if entry else None for entry in found]
        left = left[len(found) :]
