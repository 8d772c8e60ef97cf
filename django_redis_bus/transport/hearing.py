"""Hear what is published for a while, sync, on a connection of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any, NamedTuple

import redis.exceptions
from redis.exceptions import RedisError

from ..core.subscribing import Key
from .clients import Clients
from .errors import LOST, translate


class Came(NamedTuple):
    """A message.

    Attributes:
        channel: its name in Redis.
        pattern: that it came by; None if by its name.
    """

    channel: bytes
    data: bytes
    pattern: bytes | None


def hear(clients: Clients, keys: Sequence[Key], *, seconds: float, answer_s: float) -> Iterator[Came]:
    """Yield what is published from now on.

    Args:
        seconds: for how long.
        answer_s: how long Redis may take to confirm that it listens.

    Raises BusError, also for a subscription that is refused.
    """
    began = monotonic()
    until, awaited = began + seconds, len(keys)
    connection: Any = None
    try:
        # Not one of the pool's: in subscribe mode it can do nothing else.
        connection = clients.pool(answer_s).make_connection()
        connection.socket_connect_timeout = min(connection.socket_connect_timeout or answer_s, answer_s)
        connection.connect()
        for name, is_pattern in keys:
            connection.send_command("PSUBSCRIBE" if is_pattern else "SUBSCRIBE", name)
        while (left := (began + answer_s if awaited else until) - monotonic()) > 0 or awaited:
            if left <= 0:
                raise TimeoutError(f"no answer within {answer_s:g} s")
            if not connection.can_read(timeout=left):
                continue
            reply = connection.read_response(disable_decoding=True)
            awaited -= reply[0] in (b"subscribe", b"psubscribe")
            if reply[0] == b"message":
                yield Came(reply[1], reply[2], None)
            elif reply[0] == b"pmessage":
                yield Came(reply[2], reply[3], reply[1])
    except redis.exceptions.TimeoutError as error:  # which does not say how long it took
        raise translate(TimeoutError(f"no answer within {answer_s:g} s"), where=clients.where) from error
    except (*LOST, RedisError) as error:
        raise translate(error, where=clients.where) from error
    finally:
        if connection is not None:
            connection.disconnect()
