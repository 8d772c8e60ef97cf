"""Real ASGI servers for the relay, and a client that reads as slowly as a test wants."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
START_S = 20.0


class AsgiServer:
    """One process of uvicorn or daphne with tests/relay/asgi.py.

    Args:
        kind: "uvicorn" or "daphne".
        env: the process's environment; see the fixture process_env.
        log: where it writes.
    """

    def __init__(self, kind: str, env: dict[str, str], log: Path) -> None:
        # Bound here, so the port is known and taken, and a restarted server is found where the first one was.
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(512)
        self._socket.set_inheritable(True)
        self.port = self._socket.getsockname()[1]
        self.url = f"ws://localhost:{self.port}/bus/"
        self.log = log
        self._env = env
        fd = str(self._socket.fileno())
        app = "tests.relay.asgi:application"
        self._command = {
            "uvicorn": [sys.executable, "-m", "uvicorn", app, "--fd", fd, "--lifespan", "off", "--no-access-log"],
            "daphne": [sys.executable, "-m", "daphne", "--fd", fd, app],
        }[kind]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> AsgiServer:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self._command,
                env=self._env,
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                pass_fds=[self._socket.fileno()],
                start_new_session=True,
            )
        ready = ("Uvicorn running", "Listening on TCP", "Configuring endpoint")
        deadline = time.monotonic() + START_S
        while not any(text in self.log.read_text() for text in ready):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The server did not start:\n{self.log.read_text()}")
            time.sleep(0.02)
        return self

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(how)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise

    def close(self) -> None:
        if self.process is not None:
            self.stop(signal.SIGKILL)
        self._socket.close()

    @property
    def cpu_s(self) -> float:
        """CPU time that the process has used."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory_kb(self) -> int:
        """Its resident memory."""
        assert self.process is not None
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])
