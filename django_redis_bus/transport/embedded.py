"""embedded://: a real server process that the application starts and its processes share.

Lock files in the server's directory hold the whole state. The kernel drops a lock when its holder dies, so no
pid is ever trusted:

- `server.lock`: held by the server itself (see server_process).
- `users.lock`: held, shared, by each process that uses the server. Who gets it alone was the last one out.
- `start.lock`: held while one process decides: start or adopt, leave or shut down.

The server outlives its starter while others use it. After SIGKILL of all its users it runs on, and the next
user adopts it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ..core.exceptions import ConfigurationError, TransportError, Unavailable
from . import file_locks, server_process
from .server_process import POLL_S, SILENT_TIMEOUT_S, START_TIMEOUT_S, STOP_TIMEOUT_S

SCHEME = "embedded://"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    lock_fd: int  # this process's share of users.lock
    socket_path: Path


_uses: dict[Path, _Use] = {}
_spares: dict[Path, _Use] = {}  # what a child will own, between the two halves of a fork
_guard = threading.RLock()


def resolve(location: str, default_dir: Path) -> str:
    """Start the server that an `embedded://[path]` location means, or adopt it, and return its unix:// URL.

    Without a path the server lives in `default_dir`. A relative path counts from the folder that holds
    `default_dir`, not from the working directory, which differs between the processes that are to meet.

    Raises: as `start()`; also ConfigurationError for another scheme.
    """
    if not location.startswith(SCHEME):
        raise ConfigurationError(f"Expected 'embedded://' or 'embedded://some/folder', got {location!r}.")
    path = location.removeprefix(SCHEME)
    return start(default_dir.parent / Path(path).expanduser() if path else default_dir)


def start(directory: Path) -> str:
    """Start the server that has its files in `directory`, or adopt the one that runs; return its unix:// URL.

    The directory is made (for this user only) if it is missing. Events survive a restart: every write goes to
    an append-only file, synced each second. Calling again is cheap, and restarts a server that has died.
    The server is stopped by `release()` or at the exit of the process, by its last user.

    Raises:
        ConfigurationError: an unsafe directory, or no server program on this machine.
        Unavailable: the server does not start, and the message ends with its log; or it does not answer.
    """
    directory = _prepared(directory)
    try:
        with _guard, _deciding(directory, START_TIMEOUT_S + STOP_TIMEOUT_S):
            lock_fd = file_locks.locked(directory / "users.lock", file_locks.SHARED)
            try:
                socket_path = _started_or_adopted(directory)
            except BaseException:
                os.close(lock_fd)
                raise
            known = _uses.get(directory)
            _uses[directory] = _Use(lock_fd=lock_fd, socket_path=socket_path)
            if known is not None:
                os.close(known.lock_fd)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"The embedded server in {directory} cannot be started: {error}") from error
    return f"unix://{quote(str(socket_path))}"


def release(directory: Path | None = None) -> None:
    """Stop using the server of `directory` (or every server). The last user shuts it down; its files stay."""
    with _guard:
        for each in [directory.resolve()] if directory else list(_uses):
            use = _uses.pop(each, None)
            if use is not None:
                _leave(each, use)


def _started_or_adopted(directory: Path) -> Path:
    socket_path = server_process.running(directory)
    if socket_path is not None and server_process.wait_until_ready(directory, socket_path, SILENT_TIMEOUT_S):
        return socket_path
    socket_path = server_process.spawn(directory)
    if not server_process.wait_until_ready(directory, socket_path, START_TIMEOUT_S):
        raise Unavailable(f"The embedded server in {directory} stopped at once. {server_process.log_tail(directory)}")
    return socket_path


def _leave(directory: Path, use: _Use) -> None:
    try:
        with _deciding(directory, STOP_TIMEOUT_S):
            if file_locks.acquire(use.lock_fd):
                server_process.shut_down(directory, use.socket_path)
    except FileNotFoundError:
        # The directory was removed under the server: nobody can find it any more.
        server_process.shut_down(directory, use.socket_path)
    except (OSError, TransportError):
        # Another process has been deciding for seconds. The server stays, and its next user adopts it.
        pass
    finally:
        os.close(use.lock_fd)


def _prepared(directory: Path) -> Path:
    try:
        fresh = not directory.exists()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if fresh:
            (directory / ".gitignore").write_text("*\n")  # events do not belong into a repository
        directory = directory.resolve()
        found = directory.stat()
        mode, owner = found.st_mode, found.st_uid
    except OSError as error:
        raise ConfigurationError(f"embedded:// cannot use {directory}: {error}") from error
    # Who may write there could have this process run any program as the server.
    if mode & (stat.S_IWOTH | stat.S_IWGRP) or owner != os.geteuid():
        raise ConfigurationError(
            f"embedded:// does not use {directory}: others own it or may write there. Name a folder of your own."
        )
    return directory


@contextlib.contextmanager
def _deciding(directory: Path, timeout_s: float) -> Iterator[None]:
    fd = file_locks.opened(directory / "start.lock")
    try:
        deadline = time.monotonic() + timeout_s
        while not file_locks.acquire(fd):
            if time.monotonic() > deadline:
                raise Unavailable(f"Another process keeps {directory / 'start.lock'} locked.")
            time.sleep(POLL_S)
        yield
    finally:
        os.close(fd)


# A child shares its parent's descriptors and, with them, one single lock: the parent could then leave as "the
# last one" while the child still works. So fork gives each side a lock of its own.
def _before_fork() -> None:
    _guard.acquire()
    for directory, use in _uses.items():
        with contextlib.suppress(OSError):
            lock_fd = file_locks.locked(directory / "users.lock", file_locks.SHARED)
            _spares[directory] = _Use(lock_fd=lock_fd, socket_path=use.socket_path)


def _after_fork(mine: dict[Path, _Use], others: dict[Path, _Use]) -> None:
    kept = dict(mine)
    for use in others.values():
        os.close(use.lock_fd)
    _spares.clear()
    _uses.clear()
    _uses.update(kept)
    _guard.release()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=lambda: _after_fork(_uses, _spares),
    after_in_child=lambda: _after_fork(_spares, _uses),
)
atexit.register(release)
