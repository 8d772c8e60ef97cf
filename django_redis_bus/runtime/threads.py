"""Run handlers in N threads, in order per key."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import Condition, Lock, Thread
from time import perf_counter

from ..core.ports import Delivery
from .dispatch import Dispatcher, Done
from .executors import KeepGoing
from .lanes import Lanes


class ThreadExecutor:
    """See Executor.

    Args:
        dispatcher: runs one delivery.
        threads: how many run at the same moment.
        name: for the threads' names.
    """

    inline = False

    def __init__(self, dispatcher: Dispatcher, *, threads: int, name: str) -> None:
        self.slots = threads
        self._dispatcher = dispatcher
        self._ready: SimpleQueue[Delivery | None] = SimpleQueue()
        self._lanes = Lanes()
        self._lock = Lock()
        self._finished = Condition(self._lock)
        self._done: Done = []
        self._held = 0
        self._enough = 1
        self._spent = (0, 0.0)
        self._threads = [Thread(target=self._work, name=f"{name}-{n}", daemon=True) for n in range(1, threads + 1)]
        for thread in self._threads:
            thread.start()

    @property
    def held(self) -> int:
        return self._held

    def feed(self, deliveries: list[Delivery], keep_going: KeepGoing) -> list[Delivery]:
        with self._lock:
            self._held += len(deliveries)
            start = [d for d in deliveries if self._lanes.admit(d)]
        for delivery in start:
            self._ready.put(delivery)
        return []

    def drain(self, wait_s: float, enough: int) -> Done:
        with self._lock:
            self._enough = enough
            if wait_s > 0 and self._held and len(self._done) < enough:
                self._finished.wait(wait_s)
            done, self._done = self._done, []
        return done

    def spent(self) -> tuple[int, float]:
        with self._lock:
            spent, self._spent = self._spent, (0, 0.0)
        return spent

    def take_back(self, wait_s: float) -> list[Delivery]:
        taken: list[Delivery] = []
        with self._lock:
            while True:
                try:
                    delivery = self._ready.get_nowait()
                except Empty:
                    break
                if delivery is not None:
                    taken.append(delivery)
            ready = len(taken)
            taken += self._lanes.take_back()
            self._lanes.withdraw(taken[:ready])
            self._held -= len(taken)
        return taken

    def close(self) -> None:
        for _ in self._threads:
            self._ready.put(None)

    def _work(self) -> None:
        while (delivery := self._ready.get()) is not None:
            started = perf_counter()
            self._dispatcher.begin()
            decision = self._dispatcher.run(delivery)
            seconds = perf_counter() - started
            with self._lock:
                self._spent = (self._spent[0] + 1, self._spent[1] + seconds)
                following = self._lanes.finished(delivery)
                self._held -= 1
                self._done.append((delivery, decision))
                if len(self._done) >= self._enough or not self._held:
                    self._finished.notify()
            if following is not None:
                self._ready.put(following)
