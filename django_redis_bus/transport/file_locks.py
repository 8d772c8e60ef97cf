"""flock on small files: a lock that the kernel drops when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

SHARED = fcntl.LOCK_SH
ALONE = fcntl.LOCK_EX


def opened(path: Path, flags: int = 0) -> int:
    """Open `path` for reading and writing, made if missing, never through a link; return the descriptor."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600)


def acquire(fd: int, kind: int = ALONE) -> bool:
    """Take the lock if it is free, without waiting; return whether it was."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def locked(path: Path, kind: int = ALONE) -> int:
    """Open `path` and lock it at once; return the descriptor. The lock ends when its last copy is closed.

    Raises:
        BlockingIOError: somebody else holds it.
    """
    fd = opened(path)
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd
