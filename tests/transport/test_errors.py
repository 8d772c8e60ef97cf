"""redis-py's exceptions become ours, by what can be done about them."""

from __future__ import annotations

import pytest
import redis.exceptions as theirs

from django_redis_bus.core.exceptions import (
    AccessRefused,
    BusError,
    GroupMissing,
    OutOfMemory,
    PublishError,
    Unavailable,
)
from django_redis_bus.transport.errors import translate


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (theirs.ResponseError("UNBLOCKED the stream key no longer exists"), GroupMissing),
        (theirs.ResponseError("NOGROUP No such key 's' or consumer group 'g' in XREADGROUP"), GroupMissing),
        (theirs.ResponseError("NOGROUP Consumer group this client was blocked on no longer exists"), GroupMissing),
        (theirs.ResponseError("no such key script: 29, on @user_script:9."), GroupMissing),
        (theirs.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), OutOfMemory),
        (theirs.ResponseError("OOM command not allowed when used memory > 'maxmemory'. script: 1"), OutOfMemory),
        (theirs.BusyLoadingError("Redis is loading the dataset in memory"), Unavailable),
        (theirs.ReadOnlyError("You can't write against a read only replica."), Unavailable),
        (theirs.ResponseError("READONLY You can't write against a read only replica. script: 1"), Unavailable),
        (theirs.ClusterDownError("The cluster is down"), Unavailable),
        (theirs.ResponseError("MISCONF Redis is configured to save RDB snapshots"), Unavailable),
        (theirs.ResponseError("BUSY Redis is busy running a script."), Unavailable),
        (theirs.ConnectionError("Connection refused"), Unavailable),
        (theirs.TimeoutError("Timeout reading from socket"), Unavailable),
        (OSError(9, "Bad file descriptor"), Unavailable),
        (theirs.MaxConnectionsError("Too many connections"), Unavailable),
        (theirs.AuthenticationError("invalid username-password pair"), AccessRefused),
        (theirs.NoPermissionError("this user has no permissions to run xadd"), AccessRefused),
        (theirs.ResponseError("ACL failure in script: No permissions to access a key"), AccessRefused),
        (theirs.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), PublishError),
        (theirs.ResponseError("DB index is out of range"), PublishError),
    ],
)
def test_what_redis_says_is_put_into_its_class(error: Exception, ours: type[BusError]) -> None:
    translated = translate(error, where="redis://somewhere")

    assert type(translated) is ours
    assert "redis://somewhere" in str(translated)
