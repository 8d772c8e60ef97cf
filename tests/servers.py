"""Real servers for the suite: started by it, ended with it, however it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import redis

from django_redis_bus.transport.binaries import bundled_server

START_TIMEOUT_S = 15.0

# The shell keeps the server company: when the suite dies, even of SIGKILL, its end of the pipe closes, `read`
# ends, and the server is killed. The first line out is the server's pid; the server holds none of our pipes.
WATCHED = '"$@" >/dev/null 2>&1 & echo $!; read -r _; kill -KILL $! 2>/dev/null; wait $!'


def programs() -> dict[str, str | None]:
    """The server programs that the contract suite runs against, by name; None for what is not installed."""
    return {"valkey": bundled_server(), "redis-server": shutil.which("redis-server")}


class Server:
    """One server process on a unix socket, in a directory of its own, that a test may hurt in every way.

    Args:
        program: path of redis-server or valkey-server.
        aof: keep an append-only file, so that data survive `kill()` and `restart()`.
        maxmemory: such as "20mb"; beyond it writes are refused.
        args: more of the server's own options, as on its command line.
        directory: where to be, instead of in a new directory; its path must be short.
    """

    def __init__(
        self,
        program: str,
        *,
        aof: bool = False,
        maxmemory: str | None = None,
        args: tuple[str, ...] = (),
        directory: Path | None = None,
    ) -> None:
        # Not pytest's tmp_path: a socket's path may have 107 characters and no more.
        self.directory = directory or Path(tempfile.mkdtemp(prefix="bus-", dir="/tmp"))
        self.directory.mkdir(exist_ok=True)
        self.socket_path = self.directory / "s"
        self.program = program
        self.url = f"unix://{self.socket_path}"
        self.log_path = self.directory / "log"
        self.pid = 0
        self._watcher: subprocess.Popen[bytes] | None = None
        self._clients: list[redis.Redis] = []
        self._command = [
            program,
            *("--port", "0", "--unixsocket", str(self.socket_path), "--unixsocketperm", "700"),
            *("--dir", str(self.directory), "--logfile", str(self.log_path), "--daemonize", "no"),
            # By default a server whose disk is slow answers before it has written, and loses that when it is killed.
            *("--save", "", "--appendonly", "yes" if aof else "no", "--appendfsync", "no"),
            *(("--maxmemory", maxmemory, "--maxmemory-policy", "noeviction") if maxmemory else ()),
            *args,
        ]

    def start(self, *args: str) -> Server:
        """Start the process, with more options if given, and wait until it answers."""
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", WATCHED, "sh", *self._command, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C ends the tests first, then the servers
        )
        assert self._watcher.stdout is not None
        self.pid = int(self._watcher.stdout.readline())
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.answers():
            if time.monotonic() > deadline:
                self.kill()
                log = self.log_path.read_text() if self.log_path.exists() else "(no log)"
                raise RuntimeError(f"The server {self._command[0]} did not start:\n{log}")
            time.sleep(0.005)
        return self

    def answers(self) -> bool:
        """Whether PING is answered now."""
        client = redis.Redis(unix_socket_path=str(self.socket_path), socket_timeout=0.5, retry=None)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def client(self) -> redis.Redis:
        """A plain client, for what tests put in and look up; closed with the server."""
        client = redis.Redis(unix_socket_path=str(self.socket_path), socket_timeout=5)
        self._clients.append(client)
        return client

    def stop(self) -> None:
        """End it as an administrator would: SIGTERM, files synced."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with SIGKILL, frozen or not."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop it in mid-air (SIGSTOP): connections stay open and nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """End a freeze (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Stop it, if it runs, and start it on the same socket and files."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Kill it and remove its files."""
        self.kill()
        for client in self._clients:
            client.close()
        self._clients.clear()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is None:
            return
        # Not yet waited for by the watcher, so the pid is still the server's, alive or zombie.
        os.kill(self.pid, how)
        if how is not signal.SIGKILL:
            self._wait_for_end()
        watcher.communicate()  # closes the pipe; the watcher kills what is left, reaps it and ends
        self.pid = 0

    def _wait_for_end(self, timeout_s: float = 10.0) -> None:
        deadline = time.monotonic() + timeout_s
        while self.socket_path.exists() and time.monotonic() < deadline:  # its last act is to remove the socket
            time.sleep(0.005)
