"""--reload: Django's autoreload, which also outlives code that cannot be loaded."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.utils import autoreload

POLL_S = 0.5
_LEFT_OUT = {"site-packages", "node_modules", "__pycache__"}


def run_with_reloader(main: Callable[..., None], *args: Any) -> None:
    """Run `main` in a process that is started again whenever code changes. Ends with the process.

    Django's own `run_with_reloader` ends when the code does not load; a consumer would have to be started by hand
    after each typing mistake that was saved.
    """
    if os.environ.get(autoreload.DJANGO_AUTORELOAD_ENV) == "true":
        autoreload.run_with_reloader(main, *args)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while (code := autoreload.restart_with_reloader()) == 1:
            before = dict(_stamps())  # first: who reads the message may mend the code at once
            sys.stderr.write("The consumer could not start; it tries again when code changes.\n")
            while dict(_stamps()) == before:
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        code = 0
    sys.exit(max(code, 0))


def _stamps() -> Iterator[tuple[str, float]]:
    """The Python files of the project and when each was last written."""
    for entry in {Path(path or ".").resolve() for path in sys.path}:
        if entry.is_dir() and not entry.is_relative_to(sys.base_prefix) and not entry.is_relative_to(sys.prefix):
            for folder, folders, files in os.walk(entry):
                folders[:] = [f for f in folders if f not in _LEFT_OUT and not f.startswith(".")]
                for name in files:
                    if name.endswith(".py"):
                        path = os.path.join(folder, name)
                        try:
                            yield path, os.stat(path).st_mtime
                        except FileNotFoundError:
                            continue
