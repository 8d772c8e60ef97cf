"""N processes of one command: started, watched, restarted with backoff, stopped together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from time import monotonic, sleep

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
HEALTHY_S = 30.0
"""A process that ran for so long starts the backoff anew."""
TICK_S = 0.1
EXIT_CUT_OFF = 3
PARENT_VARIABLE = "DJANGO_REDIS_BUS_SUPERVISOR"


class _Child:
    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.start_at = 0.0
        self.failures = 0
        self.finished = False
        self.told = False
        """Asked to stop."""


class Supervisor:
    """Runs `python -m django <arguments>` in N processes.

    Args:
        arguments: of the management command.
        processes: how many.
        drain_s: how long they may take to stop, before they are killed.
        restart: start those again that end (a burst ends for good).
        say: prints a line.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        processes: int,
        *,
        drain_s: float,
        restart: bool,
        say: Callable[[str], None],
    ) -> None:
        self._command = [sys.executable, "-m", "django", *arguments]
        self._children = [_Child() for _ in range(processes)]
        self._drain_s = drain_s
        self._restart = restart
        self._say = say
        self._stop_at: float | None = None
        self._worst = 0

    def stop(self) -> None:
        """Ask all to stop; called by signal handlers."""
        if self._stop_at is None:
            self._stop_at = monotonic() + self._drain_s + 2.0
        for child in self._children:
            self._tell(child)

    def _tell(self, child: _Child) -> None:
        if child.process is not None and child.process.poll() is None:
            child.told = True
            child.process.send_signal(signal.SIGTERM)

    def run(self) -> int:
        """Run until asked to stop, or until all have finished. Returns the worst exit code."""
        while not all(child.finished for child in self._children):
            for number, child in enumerate(self._children, 1):
                self._look_after(child, number)
            sleep(TICK_S)
        return self._worst

    def _look_after(self, child: _Child, number: int) -> None:
        if child.finished:
            return
        if child.process is None:
            if self._stop_at is not None:
                child.finished = True
            elif monotonic() >= child.start_at:
                self._start(child)
            return
        code = child.process.poll()
        if code is None:
            if self._stop_at is not None and monotonic() > self._stop_at:
                child.process.kill()
            return
        child.process = None
        if self._stop_at is not None or (code == 0 and not self._restart):
            child.finished = True
            self._worst = max(self._worst, _exit_code(code))
            return
        self._plan_restart(child, number, code)

    def _plan_restart(self, child: _Child, number: int, code: int) -> None:
        if code == 0:
            child.failures = 0
            return  # --max-events was reached: the next one takes its place at once
        if monotonic() - child.started > HEALTHY_S:
            child.failures = 0
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**child.failures)
        child.failures = min(child.failures + 1, 10)
        child.start_at = monotonic() + wait_s
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        self._say(f"Process {number} {how}; it starts again in {wait_s:.1f} s.")

    def _start(self, child: _Child) -> None:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
            PARENT_VARIABLE: str(os.getpid()),
        }
        # A session of its own: Ctrl-C reaches the supervisor alone, which asks each process once.
        child.process = subprocess.Popen(self._command, env=environment, start_new_session=True)
        child.started = monotonic()
        if self._stop_at is not None and not child.told:
            self._tell(child)  # `stop` came while it was being started


def _exit_code(code: int) -> int:
    """Return what the end of a process says about the whole, as an exit code."""
    if code == -signal.SIGTERM:
        return 0  # told to stop before it had begun to listen to that, so before it had anything in hand
    return EXIT_CUT_OFF if code == -signal.SIGKILL else abs(code)


def supervised() -> bool:
    """Return whether this process was started by a supervisor."""
    return PARENT_VARIABLE in os.environ


def orphaned() -> bool:
    """Return whether the supervisor that started this process is no longer there."""
    return supervised() and os.getppid() != int(os.environ[PARENT_VARIABLE])
