"""redis-py's exceptions as ours."""

from __future__ import annotations

import redis.exceptions as theirs

from ..core.exceptions import AccessRefused, BusError, GroupMissing, OutOfMemory, PublishError, Unavailable

_TROUBLE = (
    "LOADING",
    "READONLY",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "TRYAGAIN",
    "BUSY",
    "UNBLOCKED",
    "NOREPLICAS",
    "MISCONF",
)

_DENIED = ("ACL failure in script", "The user executing the script can't")
"""What a script of ours is told in place of NOPERM."""

LOST = (theirs.ConnectionError, theirs.TimeoutError, theirs.InvalidResponse, OSError, EOFError)
"""What a dead connection raises."""


def text_of(error: BaseException) -> str:
    """Return redis-py's message: it drops the code of some errors from the text, so the class name is put first."""
    return f"{type(error).__name__}: {error}"


def translate(error: BaseException, *, where: str) -> BusError:
    """Return our exception for one of redis-py's.

    Args:
        error: what redis-py raised or returned.
        where: the server, for the message; never with a password.
    """
    if isinstance(error, Unavailable):
        return error
    if isinstance(error.__cause__, theirs.AuthenticationError):  # redis-py's asyncio side calls it a ConnectionError
        error = error.__cause__
    message = str(error)
    gone = ("the stream key no longer exists", "no such key", "nogroup ")
    denied = isinstance(error, theirs.AuthenticationError | theirs.NoPermissionError | theirs.AuthorizationError)
    if denied or message.startswith(_DENIED):
        return AccessRefused(f"Redis at {where} refuses this user: {message}")
    if any(text in message.lower() for text in gone):
        return GroupMissing(f"Redis at {where}: {message}")
    if isinstance(error, theirs.OutOfMemoryError) or "OOM" in message or "used memory > 'maxmemory'" in message:
        return OutOfMemory(f"Redis at {where} is full: {message}")
    if isinstance(error, theirs.BusyLoadingError | theirs.ReadOnlyError | theirs.ClusterDownError):
        return Unavailable(f"Redis at {where}: {message}")
    if isinstance(error, LOST):
        return Unavailable(f"Redis at {where} does not answer: {text_of(error)}")
    if message.startswith(_TROUBLE) or "can't write against a read only replica" in message.lower():
        return Unavailable(f"Redis at {where}: {message}")
    return PublishError(f"Redis at {where} refused: {message}")
