"""Rows in hand that are behind others of their keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from time import monotonic
from typing import NamedTuple

from . import leases
from .claiming import WAIT_MS, Blocker, Claimed, after
from .rows import now_ms

STUCK_S = 0.3
"""Rows are looked at again and again while the one before them is in other hands, and after so long now and then."""
HELD_MS = 300
"""For how long they are left alone at first; then for as long as it has been there, so each time for twice as long."""
REMEMBERED_MS = 2_000
"""A relay that has much to do comes back to them so late at most."""


class Stuck(NamedTuple):
    """How long a row has been in the way.

    Attributes:
        since: when it was first met, in s.
        until_ms: the end of what was held back for it.
    """

    since: float
    until_ms: int = 0


class Waiting:
    """Gives rows back that have to wait, and remembers for what."""

    def __init__(self) -> None:
        # By the row that is in the way and the end of its lease: who takes it after that starts anew.
        self._stuck: dict[tuple[int, int], Stuck] = {}

    def give_back(self, using: str, lease: int, waiting: Sequence[tuple[Claimed, Blocker]]) -> bool:
        """Give rows back. Returns whether some of them can be taken again at once."""
        now, now_s = now_ms(), monotonic()
        # In somebody's hands a row is for milliseconds. Behind one that stays there, these should not be found first.
        ways = {(blocker.id, blocker.free_ms) for _, blocker in waiting}
        met = {way: self._stuck.get(way, Stuck(now_s)) for way in ways}
        self._stuck = {way: s for way, s in self._stuck.items() if s.until_ms + REMEMBERED_MS > now} | met
        free: list[int] = []
        held: defaultdict[int, list[int]] = defaultdict(list)
        later: defaultdict[int, list[int]] = defaultdict(list)
        for row, blocker in waiting:
            way = blocker.id, blocker.free_ms
            if blocker.attempts:
                later[after(blocker)].append(row.id)
            elif (stuck_s := now_s - met[way].since) > STUCK_S:
                until_ms = now + max(HELD_MS, int(stuck_s * 1000))
                if blocker.free_ms > now:
                    until_ms = min(until_ms, blocker.free_ms + WAIT_MS)
                self._stuck[way] = met[way]._replace(until_ms=until_ms)
                held[until_ms].append(row.id)
            else:
                free.append(row.id)
        if free:
            leases.free(using, lease, free)
        for until_ms, ids in held.items():
            leases.hold(using, lease, ids, until_ms=until_ms)
        for to_ms, ids in later.items():
            leases.postpone(using, lease, ids, to_ms=to_ms)
        return bool(free)
