"""The loops of one process, side by side, and their common end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Thread
from time import monotonic, sleep

from ..core.exceptions import BusError
from .keeping import Keeper
from .loop import GroupLoop
from .stopping import Stopping
from .supervisor import EXIT_CUT_OFF, orphaned

logger = logging.getLogger("django_redis_bus.consumer")

# A loop blocked in an idle read sees the stop by itself within its block; one whose server is frozen does not.
PATIENCE_S = 0.7
# What is left in hand at the deadline is given back, if Redis answers within this time.
ABANDON_S = 1.0

EXIT_OK = 0
EXIT_FAILED = 1


class Worker:
    """Runs loops until all have ended.

    Args:
        loops: at least one.
        stopping: shared with the loops.
        at_end: called when all loops have ended.
    """

    def __init__(
        self, loops: Sequence[GroupLoop], stopping: Stopping, at_end: Callable[[], None] = lambda: None
    ) -> None:
        self.loops = loops
        self._stopping = stopping
        self._at_end = at_end
        self._keeper = Keeper(loops)

    def run(self) -> int:
        """Run the loops in threads. Returns the exit code: 0 ended as asked, 1 failed, 3 cut off at the deadline."""
        self._keeper.start()
        threads = [Thread(target=loop.run, name=f"bus-{loop.options.name}", daemon=True) for loop in self.loops]
        for thread in threads:
            thread.start()
        try:
            while any(t.is_alive() for t in threads) and not self._stopping.requested:
                self._stopping.wait(0.2)
                if any(loop.fatal for loop in self.loops) or orphaned():
                    self._stopping.request()
            return self._end(threads)
        finally:
            self._keeper.stop()
            self._at_end()

    def stop_soon(self) -> None:
        """Ask the loops to stop and give them a moment; called from another thread as the process ends."""
        self._stopping.request()
        end = monotonic() + PATIENCE_S
        while not all(loop.ended for loop in self.loops) and monotonic() < end:
            sleep(0.02)

    def run_here(self) -> int:
        """Run the loops one after the other in this thread; for a burst, in tests and scripts."""
        self._keeper.start()
        try:
            for loop in self.loops:
                loop.run()
        finally:
            self._keeper.stop()
            self._at_end()
        return self._code()

    def _end(self, threads: Sequence[Thread]) -> int:
        self._join(threads, min(PATIENCE_S, self._stopping.left_s))
        for loop in self.loops:
            if not loop.ended and loop.empty:
                loop.link.interrupt()
        while any(t.is_alive() for t in threads) and self._stopping.left_s > 0:
            self._join(threads, 0.05)
        self._join(threads, 0.2)
        stuck = [loop for loop in self.loops if not loop.ended and not loop.empty]
        abandoning = [Thread(target=self._abandon, args=[loop], daemon=True) for loop in stuck]
        for thread in abandoning:
            thread.start()
        if abandoning:
            self._join(abandoning, ABANDON_S)
        return self._code()

    @staticmethod
    def _join(threads: Sequence[Thread], seconds: float) -> None:
        for thread in threads:
            thread.join(seconds / len(threads))

    @staticmethod
    def _abandon(loop: GroupLoop) -> None:
        try:
            loop.abandon()
        except Exception as error:
            logger.error("%s: its events are taken over when their lease ends. %s", loop.options.name, error)

    def _code(self) -> int:
        for loop in self.loops:
            if loop.fatal is not None:
                # Our own errors say what to do; a traceback would only hide it.
                shown = None if isinstance(loop.fatal, BusError) else loop.fatal
                logger.error("%s: the consumer failed: %s", loop.options.name, loop.fatal, exc_info=shown)
            elif loop.cut_off:
                logger.error(
                    "%s: not everything was done by the drain deadline; the rest was cut off", loop.options.name
                )
        if any(loop.fatal for loop in self.loops):
            return EXIT_FAILED
        return EXIT_CUT_OFF if any(loop.cut_off for loop in self.loops) else EXIT_OK
