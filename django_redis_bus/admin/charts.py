"""What flowed, minute by minute, as a drawing that the server makes: plain SVG, nothing inline, no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..operations.rates import Minute

WIDTH = 600
HEIGHT = 120
LEAST = 2.0
"""What happened at all is seen."""
_EASY = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One minute of a chart, in the drawing's own units.

    Attributes:
        left: of the minute; x: of its bars.
        up, up_y: height and top of the bar of what was handled; down: height of what failed, below the line.
    """

    minute: Minute
    left: float
    x: float
    up_y: float
    up: float
    down: float
    is_now: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A drawing.

    Attributes:
        line: y of what divides handled from failed.
        added: path of the line of what was added.
        top: what the upper edge stands for, in events per minute.
    """

    bars: tuple[Bar, ...]
    width: int
    height: int
    step: float
    thick: float
    line: float
    added: str
    top: int
    total_added: int
    total_handled: int
    total_failed: int
    total_dead: int
    knows_added: bool

    @property
    def newest_first(self) -> tuple[Bar, ...]:
        """Return the bars as a table has them."""
        return self.bars[::-1]


def throughput(minutes: Sequence[Minute]) -> Chart:
    """Return the chart of these minutes; the last of them is not over."""
    up_most = max((max(each.added or 0, each.handled) for each in minutes), default=0)
    down_most = max((each.failed + each.dead for each in minutes), default=0)
    top = _round(max(up_most, 1))
    bottom = _round(down_most) if down_most else 0
    # One scale for both sides of the line, so that heights can be compared.
    scale = HEIGHT / (top + max(bottom, top * 0.12))
    line = round(top * scale, 2)
    step = WIDTH / max(len(minutes), 1)
    bars = tuple(
        Bar(
            minute=each,
            left=round(at * step, 2),
            x=round(at * step + step * 0.12, 2),
            up_y=round(line - _height(each.handled, scale), 2),
            up=_height(each.handled, scale),
            down=_height(each.failed + each.dead, scale),
            is_now=at == len(minutes) - 1,
        )
        for at, each in enumerate(minutes)
    )
    return Chart(
        bars=bars,
        width=WIDTH,
        height=HEIGHT,
        step=round(step, 2),
        thick=round(step * 0.76, 2),
        line=line,
        added=_path(minutes, step, line, scale),
        top=top,
        total_added=sum(each.added or 0 for each in minutes),
        total_handled=sum(each.handled for each in minutes),
        total_failed=sum(each.failed for each in minutes),
        total_dead=sum(each.dead for each in minutes),
        knows_added=any(each.added is not None for each in minutes),
    )


def _height(count: int, scale: float) -> float:
    return round(max(count * scale, LEAST), 2) if count else 0.0


def _path(minutes: Sequence[Minute], step: float, line: float, scale: float) -> str:
    """Return steps, with gaps where nobody has counted."""
    parts = []
    is_down = False
    for at, each in enumerate(minutes):
        if each.added is None:
            is_down = False
            continue
        y = round(line - each.added * scale, 2)
        parts.append(f"{'L' if is_down else 'M'}{round(at * step, 2)} {y}H{round((at + 1) * step, 2)}")
        is_down = True
    return "".join(parts)


def _round(most: int) -> int:
    """Return the next number that is easy to read: 8, 10, 12, 15, 20, … 120, 150, 200, …"""
    size = 1
    while most > 10 * size:
        size *= 10
    return next(step * size // 10 for step in _EASY if step * size % 10 == 0 and step * size // 10 >= most)
