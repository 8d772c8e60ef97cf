"""Processes of management commands without the half second of processor time that imports take.

One process per run has imported Django, redis and the bus, but has read no settings: it forks when it is asked to. A
child reads its settings and runs `django` as `python -m` does. From then on it is a process as any other, with nothing
shared and nobody to help it. The suite holds what stands for a `subprocess.Popen`.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
IMPORTED = [
    "django.contrib.auth.management",
    "django.db.backends.sqlite3.base",
    "django.db.backends.postgresql.base",
    "django_redis_bus.checks",
    "django_redis_bus.management.commands.consume_stream",
    "django_redis_bus.management.commands.relay_outbox",
]
# What Python itself looks at before any code of ours can change it.
INTERPRETER = ("PYTHON", "LD_", "LANG", "LC_")
MOST_BYTES = 100_000


class Forked:
    """A process of `python -m django …`; the part of subprocess.Popen that tests use.

    Args:
        arguments: after `django`.
        env: all of its environment.
        output: where it prints.
    """

    def __init__(self, arguments: Sequence[str], env: dict[str, str], output: int) -> None:
        self.args = [sys.executable, "-m", "django", *arguments]
        self.returncode: int | None = None
        self._end, its_end = os.pipe()
        try:
            self.pid = _mother().fork(arguments, env, [output, its_end])
        finally:
            os.close(its_end)

    def poll(self) -> int | None:
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._look(timeout)
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout_s: float | None) -> int | None:
        if self.returncode is None and select.select([self._end], [], [], timeout_s)[0]:
            code = os.read(self._end, 100)
            os.close(self._end)
            if not code:
                raise RuntimeError("The process that forks the others has ended")
            self.returncode = int(code)
        return self.returncode


def can_fork(arguments: Sequence[str], env: dict[str, str]) -> bool:
    """Return whether a forked process does the same; what starts itself again by its command line does not."""
    ours = process_env()
    names = [name for name in {*env, *ours} if name.startswith(INTERPRETER)]
    return "--reload" not in arguments and all(env.get(name) == ours.get(name) for name in names)


def process_env() -> dict[str, str]:
    return dict(os.environ) | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


class _Mother:
    def __init__(self) -> None:
        self._lock = Lock()
        self._socket, hers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.faults.forking", str(hers.fileno())]
        env = process_env()
        env.pop("DJANGO_SETTINGS_MODULE", None)
        self._process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, pass_fds=[hers.fileno()])
        hers.close()
        atexit.register(self.close)

    def fork(self, arguments: Sequence[str], env: dict[str, str], fds: Sequence[int]) -> int:
        request = json.dumps({"arguments": list(arguments), "env": env}).encode()
        with self._lock:
            socket.send_fds(self._socket, [request], fds)
            return int(self._socket.recv(100))

    def close(self) -> None:
        self._socket.close()
        self._process.wait(10)


@cache
def _mother() -> _Mother:
    return _Mother()


# --- over there


def _serve(requests: socket.socket) -> list[str]:
    """Fork for each request, and tell how each child ended. Returns only in a child, with its arguments."""
    children: dict[int, int] = {}  # by pid, where to tell
    awake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the suite
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        selector.register(awake, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if awake in ready:
                os.read(awake, 1000)
                _bury(children)
            if requests not in ready:
                continue
            request, fds, _, _ = socket.recv_fds(requests, MOST_BYTES, 2)
            if not request:
                os._exit(0)
            pid = os.fork()
            if pid:
                children[pid] = fds[1]
                os.close(fds[0])
                requests.send(b"%d" % pid)
                continue
            break
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(fds[0], 1)
    os.dup2(fds[0], 2)
    requests.close()
    for fd in (*fds, *children.values(), awake, waker):
        os.close(fd)
    wanted = json.loads(request)
    os.environ.clear()
    os.environ.update(wanted["env"])
    return list(wanted["arguments"])


def _bury(children: dict[int, int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        fd = children.pop(pid)
        with suppress(BrokenPipeError):  # nobody wants to know any more
            os.write(fd, b"%d" % os.waitstatus_to_exitcode(status))
        os.close(fd)


def main() -> NoReturn:
    for name in IMPORTED:
        with suppress(Exception):  # of a driver that is not installed
            import_module(name)
    gc.freeze()  # no collection in a child touches, and so copies, what all of them share
    sys.argv[1:] = _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("django", run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    main()
