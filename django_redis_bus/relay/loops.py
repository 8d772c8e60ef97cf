"""What each event loop has one of, per bus: its rooms, its presence, its guard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from ..bus import Bus

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Makes one T for each bus in each event loop, when it is first asked for there."""

    def __init__(self, make: Callable[[Bus], T]) -> None:
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, WeakKeyDictionary[Bus, T]] = {}

    def __call__(self, bus: Bus) -> T:
        loop = asyncio.get_running_loop()
        mine = self._made.get(loop)
        if mine is None:
            # They hold their loop, so nothing else would ever let go of one that has ended.
            for ended in [known for known in self._made if known.is_closed()]:
                del self._made[ended]
            mine = self._made[loop] = WeakKeyDictionary()
        found = mine.get(bus)
        if found is None:
            found = mine[bus] = self._make(bus)
        return found
