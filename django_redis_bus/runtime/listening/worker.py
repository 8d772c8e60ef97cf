"""Runs one listener: takes what waits in its queue, reads it, calls the function, in order."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from inspect import isawaitable, iscoroutinefunction
from queue import SimpleQueue
from threading import Thread
from time import perf_counter
from typing import Any, Protocol, cast

from ...core.answers import refuse
from ...core.causation import handling
from ...core.events import Event
from ...core.exceptions import UnreadableEntry
from ...core.gaps import Gap
from ...core.listeners import Listener
from .failures import Failures, Reading
from .queues import Item, ListenerQueue

MOST = 256
TURN_S = 0.005
"""A listener lets the event loop go on at least this often, as far as its function does."""
END_S = 1.0
"""How long a call that is under way may take when its listener ends."""
CANCEL_S = 0.1


class Care(Protocol):
    """What is done around calls; `middleware.connections.Connections` does it for databases."""

    def begin(self) -> None: ...

    def failed(self) -> None: ...

    async def abegin(self) -> None: ...

    async def afailed(self) -> None: ...


class ListenerWorker:
    """See the module. Never raises for what a message or a function does.

    Args:
        listener: what to call.
        queue: where its messages wait.
        reading: how they become events.
        care: see Care.
        counts: "delivered", "failed" and "unreadable" are counted here.
        at_end: run in the thread of a `def` listener when that ends.
    """

    def __init__(
        self,
        listener: Listener,
        queue: ListenerQueue,
        reading: Reading,
        care: Care,
        counts: Counter[str],
        at_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._listener = listener
        self._fn = listener.fn
        self._queue = queue
        self._reading = reading
        self._care = care
        self._counts = counts
        self._ended = False
        self._spent_s = 0.0
        # A batch is counted here, for it may run in a thread, and with the others' after it.
        self._tally: Counter[str] = Counter()
        self._failures = Failures(listener.name, reading, self._tally)
        self._thread = None if listener.is_async else CallThread(f"bus-{listener.name}", at_end)
        self._task = asyncio.create_task(self._run(), name=f"listener {listener.name}")

    async def end(self, wait_s: float = END_S) -> None:
        """Call the function no more; a call that is under way may take `wait_s`."""
        self._ended = True
        self._queue.end()
        if self._thread is not None:
            self._thread.end()
        if self._task is not asyncio.current_task():  # else the function itself has ended its listener
            await asyncio.wait([self._task], timeout=wait_s)
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CANCEL_S)

    async def _run(self) -> None:
        most = 16
        last: deque[float] = deque(maxlen=3)
        while items := await self._queue.some(most):
            self._spent_s = 0.0
            if self._thread is None:
                await self._guarded(self._care.abegin)
                await self._arun(items)
            else:
                for part in _parts(items):
                    await self._in_thread(self._thread, part)
            self._counts.update(self._tally)
            self._tally.clear()
            event_s = self._spent_s / len(items)
            last.append(event_s)
            self._queue.event_s = min(last)  # a busy machine may halt anybody now and then
            most = max(1, min(MOST, int(TURN_S / max(event_s, 1e-7))))
            await asyncio.sleep(0)

    # --- `async def`

    async def _arun(self, items: list[Item]) -> None:
        fn, read, named = self._fn, self._reading.event, bool(self._listener.parameters)
        delivered, started = 0, perf_counter()
        for item in items:
            if self._ended:
                break
            if isinstance(item, Gap):
                await self._tell(item)
                continue
            topic, data = item
            event: Event[Any] | None = None
            try:
                event = read(topic, data)
                handling.set(event)
                if named:
                    await fn(event, **self._reading.values(topic))
                else:
                    await fn(event)
                delivered += 1
            except (Exception, asyncio.CancelledError) as error:
                if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                    raise
                if self._note(error, topic, data, event):
                    await self._guarded(self._care.afailed)
        handling.set(None)
        self._tally["delivered"] += delivered
        self._spent_s += perf_counter() - started

    def _note(self, error: BaseException, topic: str, data: bytes, event: Event[Any] | None) -> bool:
        """Note what went wrong. Returns whether it was the function."""
        if event is None and isinstance(error, UnreadableEntry):
            self._failures.unreadable(error, topic, data)
            return False
        self._failures.failed(error, topic, data, event)
        return True

    async def _guarded(self, hook: Callable[[], Awaitable[None]]) -> None:
        try:
            await hook()
        except Exception as error:
            self._failures.log("could not look after its database connections", error)

    async def _tell(self, gap: Gap) -> None:
        """Give the listener a gap."""
        on_gap = self._listener.on_gap
        if on_gap is None:
            self._failures.untold(gap)
            return
        try:
            returned = on_gap(gap)
            if isawaitable(returned):
                await returned
        except Exception as error:
            self._failures.gap_failed(error)

    # --- `def`

    async def _in_thread(self, thread: CallThread, part: list[Item]) -> None:
        if isinstance(part[0], Gap):
            on_gap = self._listener.on_gap
            if on_gap is None or iscoroutinefunction(on_gap):
                await self._tell(part[0])
            else:
                await thread.call(self._tell_here, part[0])
        else:
            await thread.call(self._run_here, cast("list[tuple[str, bytes]]", part))

    def _tell_here(self, gap: Gap) -> None:
        assert self._listener.on_gap is not None
        try:
            self._listener.on_gap(gap)
        except Exception as error:
            self._failures.gap_failed(error)

    def _run_here(self, items: Sequence[tuple[str, bytes]]) -> None:
        fn, read, named = self._fn, self._reading.event, bool(self._listener.parameters)
        self._look_after(self._care.begin)
        delivered, started = 0, perf_counter()
        for topic, data in items:
            if self._ended:
                break
            event: Event[Any] | None = None
            try:
                event = read(topic, data)
                handling.set(event)
                returned = fn(event, **self._reading.values(topic)) if named else fn(event)
                if returned is not None:
                    refuse(returned, self._listener.name)
                delivered += 1
            except BaseException as error:  # SystemExit of a library's says nothing about the others
                if self._note(error, topic, data, event):
                    self._look_after(self._care.failed)
        handling.set(None)
        self._tally["delivered"] += delivered
        self._spent_s += perf_counter() - started

    def _look_after(self, hook: Callable[[], None]) -> None:
        try:
            hook()
        except Exception as error:
            self._failures.log("could not look after its database connections", error)


class CallThread:
    """A thread that makes one call after the other for an event loop. It keeps no process alive.

    Args:
        name: of the thread.
        at_end: run in it when it ends.
    """

    def __init__(self, name: str, at_end: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[tuple[Callable[[Any], None], Any, asyncio.Future[None]] | None] = SimpleQueue()
        self._at_end = at_end
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def call(self, fn: Callable[[Any], None], argument: Any) -> None:
        """Run `fn`, which does not raise, and wait for its end."""
        done = self._loop.create_future()
        self._calls.put((fn, argument, done))
        await done

    def end(self) -> None:
        """End the thread after the call that is under way."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            fn, argument, done = call
            fn(argument)
            with suppress(RuntimeError):  # the event loop has been closed meanwhile
                self._loop.call_soon_threadsafe(_settle, done)
        self._at_end()


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _is_cancelled() -> bool:
    """Whether this task is asked to end; else the function was cancelled by something of its own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _parts(items: list[Item]) -> list[list[Item]]:
    """Return the items in order, each gap alone."""
    parts: list[list[Item]] = []
    for item in items:
        if isinstance(item, Gap) or not parts or isinstance(parts[-1][0], Gap):
            parts.append([item])
        else:
            parts[-1].append(item)
    return parts
