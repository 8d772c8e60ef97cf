"""What a command prints arrives, or the command fails: on a full disk, into a closed pipe, in any encoding."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar, cast

from django.core.management.base import BaseCommand, CommandError

_REFUSED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}

H = TypeVar("H", bound=Callable[..., None])


def printed(handle: H) -> H:
    """Decorate the `handle` of a command.

    Characters that the output cannot encode are written as in code. The process ends with 1 if something cannot be
    written: with a word about it, but quietly if what it is piped to has seen enough.
    """

    @wraps(handle)
    def wrapped(command: BaseCommand, *args: Any, **options: Any) -> None:
        with _whole(command.stdout):
            handle(command, *args, **options)

    return cast("H", wrapped)


@contextmanager
def _whole(out: Any) -> Iterator[None]:
    terminal = sys.stdout if isinstance(sys.stdout, io.TextIOWrapper) else None
    errors = terminal.errors if terminal is not None else None
    if terminal is not None:
        terminal.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            out.flush()  # else Python does, when nobody can tell of it any more
    except BrokenPipeError:
        _forget()
        sys.exit(1)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        _forget()
        raise CommandError(f"The output cannot be written: {error.strerror}.") from error
    finally:
        if terminal is not None:
            terminal.reconfigure(errors=errors)


def _forget() -> None:
    """Let Python flush what is left to nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
