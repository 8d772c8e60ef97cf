"""The demo's child processes: started with a log file each, and ended by their own pid, whatever happens.

They end by themselves if the demo is killed: see child.py.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

START = [sys.executable, str(Path(__file__).resolve().parent / "child.py")]
"""Before the arguments of manage.py, for a process whose standard input is a pipe from this one."""


class Child:
    """A manage.py command that runs beside the demo.

    Args:
        name: for messages.
        log_path: where its output goes.
        arguments: of manage.py.
        env: more of its environment.
    """

    def __init__(self, name: str, log_path: Path, *arguments: str, **env: str) -> None:
        self.name = name
        self.log_path = log_path
        with log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [*START, *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
                # Ctrl-C in the terminal is for the demo, which then ends its children in good order.
                start_new_session=True,
            )

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    def stop(self, *, grace_s: float = 25.0) -> int:
        """Ask it to end (SIGTERM), kill it if it has not within `grace_s`, and return its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def log_tail(self, lines: int = 12) -> str:
        """Return the end of its output."""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])


def free_port(wanted: int) -> int:
    """Return `wanted` if nobody listens there, else a port that is free."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")
