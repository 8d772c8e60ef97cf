"""Run handlers in the loop's own thread, one after the other."""

from __future__ import annotations

from ..core.ports import Delivery
from .dispatch import Dispatcher, Done
from .executors import KeepGoing


class InlineExecutor:
    """See Executor. With `batch`, handlers take lists of events."""

    inline = True
    slots = 1
    held = 0

    def __init__(self, dispatcher: Dispatcher, *, batch: int | None = None) -> None:
        self._dispatcher = dispatcher
        self._batch = batch
        self._done: Done = []

    def feed(self, deliveries: list[Delivery], keep_going: KeepGoing) -> list[Delivery]:
        self._dispatcher.begin()
        done = self._done
        if self._batch is not None:
            for at in range(0, len(deliveries), self._batch):
                if not keep_going():
                    return deliveries[at:]
                done += self._dispatcher.run_batch(deliveries[at : at + self._batch])
            return []
        run = self._dispatcher.run
        for at, delivery in enumerate(deliveries):
            if not keep_going():
                return deliveries[at:]
            done.append((delivery, run(delivery)))
        return []

    def drain(self, wait_s: float, enough: int) -> Done:
        done, self._done = self._done, []
        return done

    def spent(self) -> tuple[int, float]:
        return 0, 0.0  # the loop measures what it runs itself

    def take_back(self, wait_s: float) -> list[Delivery]:
        return []

    def close(self) -> None:
        pass
