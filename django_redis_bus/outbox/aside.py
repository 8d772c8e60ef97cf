"""Topics that take nothing for now: their rows step aside, or a relay would come upon them again and again."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from time import monotonic
from typing import Any

from django.db import connections

from . import table
from .claiming import Claimed, lease_until
from .conflicts import execute
from .rows import HOLD_MS, PENDING, now_ms
from .statements import listed, statements

AWAY_MS = 60_000
"""For so long at most: a relay that dies takes with it what it remembers."""
AT_ONCE = 5_000
"""So many rows move in one statement, and come back at once when a topic takes events again."""
FOR_S = 0.5
"""Others wait for no longer than this until rows have stepped aside."""


class Aside:
    """The topics of one bus whose rows a relay has let step aside.

    A few rows are tried meanwhile, by whoever put the others aside. When they get through the others follow, some at a
    time: who is full may soon be full again.

    Args:
        using: the database.
        bus: its alias.
    """

    def __init__(self, using: str, bus: str) -> None:
        self._using = using
        self._bus = bus
        # Whether it takes events again.
        self._topics: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._topics)

    def close(self, topics: Collection[str], *, more: bool) -> None:
        """Note that topics take nothing.

        Args:
            more: there may be other rows of theirs that are due: they come later.
        """
        self._topics.update(dict.fromkeys(topics, False))
        end = monotonic() + FOR_S
        while more and monotonic() < end:
            now = now_ms()
            due = self._rows().filter(topic__in=topics, moment_ms__lte=now, lease__lte=lease_until(now))
            more = self._move(due, now + AWAY_MS)

    def open(self, topics: Collection[str]) -> None:
        """Note that topics take events."""
        self._topics.update(dict.fromkeys(self._topics.keys() & topics, True))

    def come_back(self) -> None:
        """Let some rows of each open topic be due again."""
        for topic in [topic for topic, is_open in self._topics.items() if is_open]:
            now = now_ms()
            # Those of a lower moment are left alone for those who wrote them, or come back soon by themselves.
            away = self._rows().filter(topic=topic, moment_ms__gt=now + HOLD_MS, moment_ms__lte=now + AWAY_MS)
            if not self._move(away.filter(attempts=0), now):
                del self._topics[topic]

    def _rows(self) -> Any:
        return table.model()._base_manager.using(self._using).filter(bus=self._bus, state=PENDING)

    def _move(self, rows: Any, to_ms: int) -> bool:
        """Give rows another moment. Returns whether there may be more."""
        ids = sorted(rows.order_by("moment_ms", "id").values_list("id", flat=True)[:AT_ONCE])
        if ids:
            move = statements(connections[self._using]).move
            execute(self._using, move.format(to=to_ms, over=lease_until(now_ms()), ids=listed(ids)))
        return len(ids) == AT_ONCE


def topics_of(rows: Iterable[Claimed], ids: Collection[int]) -> set[str]:
    """Return the topics of those rows that have one of the ids."""
    some = set(ids)
    return {row.topic for row in rows if row.id in some}
