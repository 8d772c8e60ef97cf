"""Processes of PostgreSQL and MariaDB, for tests/databases.py: where they are used from is written there."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
# A test that leaves a lock behind fails, instead of stopping the run when the tables are flushed.
LOCK_TIMEOUT_S = 30

# What _state says of a process that is dead, or not to be seen.
GONE = ("Z", "")

# As in tests/servers.py: when the suite dies, its end of the pipe closes, `read` ends, and the server is ended. Then
# nobody is left to remove the files either.
WATCHED = """
end=$1 files=$2; shift 2
"$@" >>"$files/log" 2>&1 & echo $!
read -r word
kill -"$end" $! 2>/dev/null; kill -CONT $! 2>/dev/null; wait $!
[ -n "$word" ] || rm -rf "$files"
"""


class DatabaseServer:
    """A database server on a unix socket, in a directory of its own, that a test may hurt in every way.

    Args:
        alias: what Django calls its database.
        fsync: wait for the disk at each commit.
        args: more of the server's own options, as on its command line.
    """

    kind: ClassVar[str]
    package: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    end_signal: ClassVar[signal.Signals]

    def __init__(self, alias: str, *, fsync: bool = False, args: Iterable[str] = ()) -> None:
        # Not pytest's tmp_path: a socket's path may have 107 characters and no more, and root's is closed to others.
        self.directory = Path(tempfile.mkdtemp(prefix="bus-", dir="/tmp"))
        self.alias = alias
        self.data_path = self.directory / "data"
        self.log_path = self.directory / "log"
        self.pid_path = self.directory / "pid"
        self.fsync = fsync
        self.pid = 0
        self._args = tuple(args)
        self._paths = self.programs() or {}
        self._watcher: subprocess.Popen[bytes] | None = None
        # As whom the server runs; None is as ourselves.
        self._account: str | None = None

    @classmethod
    def programs(cls) -> dict[str, str] | None:
        """The paths of what it takes, by name; None if something is not installed."""
        raise NotImplementedError

    @property
    def settings(self) -> dict[str, Any]:
        """As in DATABASES."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it lets us in now."""
        raise NotImplementedError

    def _initialize(self) -> list[str]:
        raise NotImplementedError

    def _command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> DatabaseServer:
        """Start the process, and wait until it answers."""
        if not self.data_path.exists():
            self._run(self._initialize())
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", WATCHED, "sh", self.end_signal.name[3:], str(self.directory), *self._command()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C ends the tests first, then the servers
            **self._surroundings(),
        )
        assert self._watcher.stdout is not None
        self.pid = int(self._watcher.stdout.readline())
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.answers():
            if time.monotonic() > deadline or _state(self.pid)[0] == "Z":
                log = self.log_path.read_text() if self.log_path.exists() else "(no log)"
                self.kill()
                raise RuntimeError(f"{self.kind} did not start:\n{log}")
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """End it as an administrator would: clients are sent away, files are in order."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End it and all its processes with SIGKILL, frozen or not."""
        if not self.pid:
            return
        children = self._freeze()
        for child in children:
            os.kill(child, signal.SIGKILL)
        self._end(signal.SIGKILL)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while any(_state(child)[0] not in GONE for child in children) and time.monotonic() < deadline:
            time.sleep(0.005)  # PostgreSQL does not start while one of them has its memory

    def freeze(self) -> None:
        """Stop it in mid-air (SIGSTOP): connections stay open and nobody answers."""
        self._freeze()

    def thaw(self) -> None:
        """End a freeze (SIGCONT)."""
        for each in (*_children(self.pid), self.pid):
            with suppress(ProcessLookupError):  # a child that has ended since
                os.kill(each, signal.SIGCONT)

    def restart(self) -> None:
        """Stop it, if it runs, and start it on the same socket and files."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End it at once and remove its files."""
        if self.pid:
            self.thaw()
            self._end(self.end_signal)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _freeze(self) -> list[int]:
        os.kill(self.pid, signal.SIGSTOP)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while _state(self.pid)[0] not in ("T", *GONE) and time.monotonic() < deadline:
            time.sleep(0.001)  # from then on it has no new children
        children = _children(self.pid)
        for child in children:
            os.kill(child, signal.SIGSTOP)
        return children

    def _end(self, how: signal.Signals) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is None:
            return
        # Not yet waited for by the watcher, so the pid is still the server's, alive or zombie.
        os.kill(self.pid, how)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while how is self.stop_signal and self.pid_path.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        watcher.communicate(b"keep the files\n")  # the watcher ends what is left, reaps it and ends
        self.pid = 0

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self._surroundings())
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")

    def _surroundings(self) -> dict[str, Any]:
        # A time zone that is given need not be guessed, which takes initdb a while.
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "MYSQL", "MARIADB"))}
        ours: dict[str, Any] = {"cwd": self.directory, "env": env | {"TZ": "UTC", "LC_ALL": "C"}}
        if self._account is not None:
            ours |= {"user": self._account, "group": pwd.getpwnam(self._account).pw_gid, "extra_groups": []}
        return ours


def found(*names: str, beside: Iterable[str] = ()) -> dict[str, str] | None:
    """The paths of these programs, on PATH or in the folders beside it; None if one is missing."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *beside])
    paths = {name: shutil.which(name, path=path) for name in names}
    return {name: path for name, path in paths.items() if path} if all(paths.values()) else None


def _state(pid: int) -> tuple[str, int]:
    """A process's state ("T" is stopped, "Z" is dead) and its parent; "" for the state if there is none to be read."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", 0
    return after_name[0], int(after_name[1])


def _children(pid: int) -> list[int]:
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [each for each in pids if _state(each)[1] == pid]
