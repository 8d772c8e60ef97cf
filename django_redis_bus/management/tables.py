"""Tables, numbers and times, for people who read a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.telling import printable

NAME_CHARS = 60


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Return the lines of a table.

    Args:
        heads: "" for no head.
        rows: of cells, as many as there are heads.
        left: the first so many columns are flush left, the others flush right.
    """
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return ["  ".join(_cells(row, widths, left)).rstrip() for row in (heads, *rows)]


def _cells(row: Sequence[str], widths: Sequence[int], left: int) -> list[str]:
    return [
        cell.ljust(width) if index < left else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def name(text: str, most: int = NAME_CHARS) -> str:
    """Return a name that may come from anybody, on one line and not longer than that."""
    shown = printable(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def size(number: int | None) -> str:
    """Return bytes as a person reads them; "-" if they are not known."""
    if number is None:
        return "-"
    value, units = float(number), ["B", "KB", "MB", "GB"]
    while value >= 1000 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{number} B" if units[0] == "B" else f"{value:,.1f} {units[0]}"


def span(seconds: float | None) -> str:
    """Return a duration as a person reads it; "-" for none."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms" if seconds > 0 else "0 s"
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} s"
