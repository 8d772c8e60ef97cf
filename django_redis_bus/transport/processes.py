"""Which processes are alive here, to those who see the same process table."""

from __future__ import annotations

import os


def pid_namespace() -> str:
    """Return what tells whether two processes see the same process table; "" where nothing does."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return f"{file.read().strip()}:{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        with open(f"/proc/{pid}/stat") as file:  # a zombie answers kill 0 but consumes nothing
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return True
