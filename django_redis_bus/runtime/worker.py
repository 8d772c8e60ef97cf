"""The loops of one process, side by side, and their common end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Thread

from .keeping import Keeper
from .loop import GroupLoop
from .stopping import Stopping
from .supervisor import orphaned

logger = logging.getLogger("django_redis_bus.consumer")

# A loop blocked in an idle read sees the stop by itself within its block; one whose server is frozen does not.
PATIENCE_S = 0.7

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_CUT_OFF = 3


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
        """Run the loops in threads. Returns the exit code: 0 ended as asked, 1 failed, 3 a handler was cut off."""
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

    def run_here(self) -> int:
        """Run the loops one after the other in this thread; for a burst, in tests and scripts."""
        self._keeper.start()
        try:
            for loop in self.loops:
                loop.run()
        finally:
            self._keeper.stop()
            self._at_end()
        return self._code(cut_off=False)

    def _end(self, threads: Sequence[Thread]) -> int:
        self._join(threads, min(PATIENCE_S, self._stopping.left_s))
        for loop in self.loops:
            if not loop.ended and loop.empty:
                loop.link.interrupt()
        while any(t.is_alive() for t in threads) and self._stopping.left_s > 0:
            self._join(threads, 0.05)
        self._join(threads, 0.2)
        cut_off = False
        for loop in self.loops:
            if not loop.ended and not loop.empty:
                cut_off = True
                self._abandon(loop)
        return self._code(cut_off)

    @staticmethod
    def _join(threads: Sequence[Thread], seconds: float) -> None:
        for thread in threads:
            thread.join(seconds / len(threads))

    @staticmethod
    def _abandon(loop: GroupLoop) -> None:
        logger.error("%s: a handler is still running after the drain deadline and is cut off", loop.options.name)
        try:
            loop.abandon()
        except Exception as error:
            logger.error("%s: its events are taken over when their lease ends. %s", loop.options.name, error)

    def _code(self, cut_off: bool) -> int:
        for loop in self.loops:
            if loop.fatal is not None:
                logger.error("%s: the consumer failed", loop.options.name, exc_info=loop.fatal)
        if any(loop.fatal for loop in self.loops):
            return EXIT_FAILED
        return EXIT_CUT_OFF if cut_off else EXIT_OK
