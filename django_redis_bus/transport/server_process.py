"""One server process on the files of one directory: start it, find it, wait for it, end it.

The server inherits the lock on `server.lock`, so the lock tells whether a server is alive on these files,
whoever started it and whatever became of its pid. The file says where the socket is and which program runs.

Callers make sure that one process at a time calls in here for a directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from ..core.exceptions import ConfigurationError, Unavailable
from . import file_locks
from .binaries import find_server

START_TIMEOUT_S = 30.0  # an append-only file of some GB takes this long to load
SILENT_TIMEOUT_S = 5.0  # one that loads answers meanwhile, so a server that says nothing at all is frozen
STOP_TIMEOUT_S = 5.0
POLL_S = 0.005
# sun_path holds 108 bytes on Linux and 104 on macOS, with the closing NUL.
MAX_SOCKET_PATH_BYTES = 103


def running(directory: Path) -> Path | None:
    """Return the socket of the server that is alive on the files in `directory`, or None."""
    fd = file_locks.opened(directory / "server.lock")
    try:
        if file_locks.acquire(fd):
            return None
        return Path(_record(fd).get("socket", directory / "unknown"))
    finally:
        os.close(fd)


def spawn(directory: Path) -> Path:
    """Start a server on the files in `directory`; return the socket where it will answer.

    Raises:
        ConfigurationError: no server program on this machine, or no safe place for the socket.
        OSError, subprocess.TimeoutExpired: the program does not start.
    """
    socket_path = socket_dir() / f"{hashlib.sha256(os.fsencode(directory)).hexdigest()[:20]}.sock"
    with contextlib.ExitStack() as closing:
        lock_fd = file_locks.locked(directory / "server.lock")
        closing.callback(os.close, lock_fd)  # the server has its own copy, and with it the lock
        log_fd = file_locks.opened(directory / "server.log", os.O_APPEND)
        closing.callback(os.close, log_fd)
        # The program that wrote the files goes first: another one, newly on PATH, may be unable to read them.
        program = find_server(preferred=_record(lock_fd).get("program"))
        os.ftruncate(lock_fd, 0)
        os.pwrite(lock_fd, json.dumps({"socket": str(socket_path), "program": program}).encode(), 0)
        options = {
            "port": "0",
            "unixsocket": str(socket_path),
            "unixsocketperm": "700",
            "dir": str(directory),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "logfile": str(directory / "server.log"),
            "pidfile": str(directory / "server.pid"),
            # Its own session, and init for a parent: Ctrl-C does not reach it, and no waitpid(-1) of the
            # application reaps it.
            "daemonize": "yes",
        }
        subprocess.run(
            [program, *(word for name, value in options.items() for word in (f"--{name}", value))],
            stdin=subprocess.DEVNULL,
            stdout=log_fd,  # never our own: a server that holds the starter's pipe hangs `command | cat`
            stderr=log_fd,
            pass_fds=(lock_fd,),
            start_new_session=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )
    return socket_path


def wait_until_ready(directory: Path, socket_path: Path, silent_s: float) -> bool:
    """Wait until the server answers PING; return False if it has ended instead.

    Args:
        silent_s: it may say nothing at all for so long.

    Raises:
        Unavailable: it lives, but says nothing for so long, or only that it is loading for START_TIMEOUT_S.
    """
    began = heard = time.monotonic()
    while not (answer := _ask(socket_path, b"PING\r\n")).startswith(b"+PONG"):
        if running(directory) is None:
            return False
        now = time.monotonic()
        if answer:
            heard = now
        if now - heard > silent_s:
            raise Unavailable(
                f"The embedded server{_pid(directory)} does not answer; is it stopped? It runs on {directory}, and "
                f"should answer on {socket_path}."
            )
        if now - began > START_TIMEOUT_S:
            said = answer.decode(errors="replace").strip()
            raise Unavailable(f"The embedded server{_pid(directory)} in {directory} is not ready: {said}")
        time.sleep(POLL_S)
    return True


def shut_down(directory: Path, socket_path: Path) -> None:
    """Ask the server to sync its files and end; return when it has, or after STOP_TIMEOUT_S."""
    _ask(socket_path, b"SHUTDOWN\r\n")
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while directory.exists() and running(directory) and time.monotonic() < deadline:
        time.sleep(POLL_S)


def socket_dir() -> Path:
    """Return a short directory that only this user can enter.

    Its name can be guessed, so somebody else may have made it first, or a link in its place: that is refused.
    """
    for parent in (tempfile.gettempdir(), "/tmp"):
        directory = Path(parent) / f"django-redis-bus-{os.geteuid()}"
        if len(os.fsencode(directory)) + len("/01234567890123456789.sock") <= MAX_SOCKET_PATH_BYTES:
            break
    try:
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        found = directory.lstat()
    except OSError as error:
        raise ConfigurationError(f"embedded:// cannot make a directory for its socket: {error}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise ConfigurationError(
            f"embedded:// does not put its socket into {directory}: it is not a directory of this user alone "
            "(owner, mode 0700, no link). Remove it, or set TMPDIR."
        )
    return directory


def log_tail(directory: Path) -> str:
    """Return the last lines of the server's log, for the end of an error message."""
    try:
        lines = (directory / "server.log").read_text(errors="replace").splitlines()[-8:]
    except OSError:
        return ""
    return "\n".join([f"The end of {directory / 'server.log'}:", *lines])


def _pid(directory: Path) -> str:
    """Return the server's pid as it has written it, for a message: " (pid 7)"; "" if it has not."""
    try:
        text = (directory / "server.pid").read_text(errors="replace")[:20].strip()
    except OSError:
        return ""
    return f" (pid {text})" if text.isdecimal() else ""


def _ask(socket_path: Path, line: bytes) -> bytes:
    """Send one inline command; return the reply, or b"" when nobody answers."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect(str(socket_path))
            connection.sendall(line)
            return connection.recv(256)
    except OSError:
        return b""


def _record(lock_fd: int) -> dict[str, str]:
    try:
        return dict(json.loads(os.pread(lock_fd, 8192, 0)))
    except ValueError:
        return {}  # new, or its writer was killed half-way
