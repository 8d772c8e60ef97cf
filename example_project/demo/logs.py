"""What the bus logs in the process of the demo, which is the one that saves, as lines of its screen."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from .screen import RED, YELLOW, Screen


class _Lines(logging.Handler):
    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.WARNING)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        code = RED if record.levelno >= logging.ERROR else YELLOW
        self._screen.note(f"log: {record.getMessage()}", code, in_one_line=True)


@contextmanager
def log_lines(screen: Screen) -> Iterator[None]:
    """Show what is logged, in place of what LOGGING says."""
    logger = logging.getLogger("django_redis_bus")
    before, logger.handlers = logger.handlers, [_Lines(screen)]
    try:
        yield
    finally:
        logger.handlers = before
