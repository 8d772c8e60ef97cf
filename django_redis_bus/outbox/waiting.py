"""Rows in hand that are behind others of their keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from time import monotonic

from . import leases
from .claiming import WAIT_MS, Blocker, Claimed, after
from .rows import now_ms

STUCK_S = 0.3
"""Rows are looked at again and again while the one before them is in other hands, and after so long now and then."""
HELD_MS = 1_000


class Waiting:
    """Gives rows back that have to wait, and remembers for what."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}

    def give_back(self, using: str, lease: int, waiting: Sequence[tuple[Claimed, Blocker]]) -> bool:
        """Give rows back. Returns whether some of them can be taken again at once."""
        now, now_s = now_ms(), monotonic()
        # In somebody's hands a row is for milliseconds. Behind one that stays there, these should not be found first.
        self._since = {blocker.id: self._since.get(blocker.id, now_s) for _, blocker in waiting}
        free: list[int] = []
        held: defaultdict[int, list[int]] = defaultdict(list)
        later: defaultdict[int, list[int]] = defaultdict(list)
        for row, blocker in waiting:
            if blocker.attempts:
                later[after(blocker)].append(row.id)
            elif now_s - self._since[blocker.id] > STUCK_S:
                held[max(now + HELD_MS, blocker.free_ms + WAIT_MS)].append(row.id)
            else:
                free.append(row.id)
        if free:
            leases.free(using, lease, free)
        for until_ms, ids in held.items():
            leases.hold(using, lease, ids, until_ms=until_ms)
        for to_ms, ids in later.items():
            leases.postpone(using, lease, ids, to_ms=to_ms)
        return bool(free)
