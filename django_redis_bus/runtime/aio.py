"""Run `async def` handlers together on one event loop, in order per key."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from threading import Condition, Event, Lock, Thread
from time import perf_counter
from typing import Any

from ..core.ports import Delivery
from .dispatch import Dispatcher, Done
from .executors import KeepGoing
from .lanes import Lanes


class LoopThread:
    """One event loop in a thread of its own, shared by the async executors of a process.

    Args:
        at_end: run on the loop when everything else has ended.
    """

    def __init__(self, at_end: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._at_end = at_end
        self.loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run, name="bus-asyncio", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()

    def close(self) -> None:
        """Cancel what runs, stop the loop and wait a moment for its end."""
        self.loop.call_soon_threadsafe(lambda: self.loop.create_task(self._end()))
        self._thread.join(1.0)

    async def _end(self) -> None:
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.wait(others, timeout=0.5)
        try:
            await self._at_end()
        finally:
            self.loop.stop()


class AsyncExecutor:
    """See Executor.

    Args:
        dispatcher: runs one delivery.
        loop: where coroutines run.
        slots: how many run at the same moment.
    """

    inline = False

    def __init__(self, dispatcher: Dispatcher, *, loop: asyncio.AbstractEventLoop, slots: int) -> None:
        self.slots = slots
        self._dispatcher = dispatcher
        self._loop = loop
        # On the event loop only:
        self._lanes = Lanes()
        self._waiting: deque[Delivery] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        # Shared with the group's loop, under the lock:
        self._lock = Lock()
        self._finished = Condition(self._lock)
        self._done: Done = []
        self._held = 0
        self._enough = 1
        self._spent = (0, 0.0)

    @property
    def held(self) -> int:
        return self._held

    def feed(self, deliveries: list[Delivery], keep_going: KeepGoing) -> list[Delivery]:
        with self._lock:
            self._held += len(deliveries)
        self._loop.call_soon_threadsafe(self._take, deliveries)
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
        answered, given_up = Event(), Event()

        def take() -> None:
            with self._lock:
                if not given_up.is_set():
                    taken.extend(self._withdrawn())
                    self._held -= len(taken)
                    answered.set()

        self._loop.call_soon_threadsafe(take)
        if not answered.wait(wait_s):
            with self._lock:  # so that it takes all or nothing, and never what nobody waits for any more
                given_up.set()
        return taken  # empty if a handler blocks the event loop: what waits behind it is given back at the deadline

    def close(self) -> None:
        with suppress(RuntimeError):  # the event loop has ended already
            self._loop.call_soon_threadsafe(self._cancel)

    def _withdrawn(self) -> list[Delivery]:
        """Return what has not started, and forget it."""
        ready = list(self._waiting)
        self._waiting.clear()
        taken = [*ready, *self._lanes.take_back()]
        self._lanes.withdraw(ready)
        return taken

    def _cancel(self) -> None:
        self._closed = self._dispatcher.closing = True
        for task in self._tasks:
            task.cancel()

    def _take(self, deliveries: list[Delivery]) -> None:
        start = [d for d in deliveries if self._lanes.admit(d)]
        self._waiting.extend(start)
        begin = self._loop.create_task(self._dispatcher.abegin())
        self._tasks.add(begin)
        begin.add_done_callback(self._ended)
        # Not after it: what cleans database connections waits for their thread, and so do the handlers that need one,
        # in the order of asking. The others need not wait.
        self._start()

    def _start(self) -> None:
        while self._waiting and len(self._tasks) <= self.slots and not self._closed:
            task = self._loop.create_task(self._run(self._waiting.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        # Only now is there room: what came between the end of the coroutine and this found none.
        self._tasks.discard(task)
        self._start()

    async def _run(self, delivery: Delivery) -> None:
        started = perf_counter()
        decision = await self._dispatcher.arun(delivery)
        seconds = perf_counter() - started
        following = self._lanes.finished(delivery)
        if following is not None:
            self._waiting.append(following)
        with self._lock:
            self._held -= 1
            self._spent = (self._spent[0] + 1, self._spent[1] + seconds)
            self._done.append((delivery, decision))
            if len(self._done) >= self._enough or not self._held:
                self._finished.notify()
