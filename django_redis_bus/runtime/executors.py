"""What runs deliveries: the port that inline, threads and aio fulfil."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..core.ports import Delivery
from .dispatch import Done

KeepGoing = Callable[[], bool]


class Executor(Protocol):
    """Runs deliveries, here or elsewhere. Used by one loop."""

    @property
    def inline(self) -> bool:
        """Whether `feed` returns only when everything has run."""

    @property
    def slots(self) -> int:
        """How many run at the same moment."""

    @property
    def held(self) -> int:
        """How many are running or waiting to run."""

    def feed(self, deliveries: list[Delivery], keep_going: KeepGoing) -> list[Delivery]:
        """Take deliveries to run. Returns those that were not started because `keep_going` said no (inline only)."""

    def drain(self, wait_s: float, enough: int) -> Done:
        """Return what has finished. Waits up to `wait_s` seconds for `enough` of them, or for all."""

    def spent(self) -> tuple[int, float]:
        """Return how many have run since the last call and the slot seconds they took."""

    def take_back(self, wait_s: float) -> list[Delivery]:
        """Return what has not started, and forget it. May take `wait_s` seconds."""

    def close(self) -> None:
        """Let go of threads."""
