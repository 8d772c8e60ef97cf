"""Order per key: of the deliveries with one key, one runs at a time, in the order they came."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..core.envelope import key_of
from ..core.ports import Delivery


class Lanes:
    """Which deliveries may start now. Not thread-safe: callers lock, or stay on one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, deque[Delivery]] = {}

    def admit(self, delivery: Delivery) -> bool:
        """Take in a delivery; True if it may start now, False if it waits behind another of its key."""
        key = key_of(delivery.fields)
        if key is None:
            return True
        lane = self._waiting.get(key)
        if lane is None:
            self._waiting[key] = deque()
            return True
        lane.append(delivery)
        return False

    def finished(self, delivery: Delivery) -> Delivery | None:
        """Say that one has finished; returns the next of its key, which may start now."""
        key = key_of(delivery.fields)
        if key is None:
            return None
        lane = self._waiting.get(key)
        if lane:
            return lane.popleft()
        self._waiting.pop(key, None)
        return None

    def withdraw(self, deliveries: Sequence[Delivery]) -> None:
        """Say that these, which might have started, never will: their keys are free, as nothing of them runs."""
        for delivery in deliveries:
            key = key_of(delivery.fields)
            if key is not None:
                self._waiting.pop(key, None)

    def take_back(self) -> list[Delivery]:
        """Return all that wait behind others, and forget them."""
        waiting = [delivery for lane in self._waiting.values() for delivery in lane]
        for lane in self._waiting.values():
            lane.clear()
        return waiting


def by_key(deliveries: Sequence[Delivery]) -> tuple[list[Delivery], list[Delivery]]:
    """Return those with an ordering key, and those without."""
    keyed = [d for d in deliveries if key_of(d.fields) is not None]
    return keyed, [d for d in deliveries if key_of(d.fields) is None]
