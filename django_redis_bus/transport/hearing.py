"""Hear what is published for a while, sync, on a connection of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from ..core.subscribing import Key
from .clients import ANSWER_S, Clients
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


def hear(clients: Clients, keys: Sequence[Key], *, seconds: float) -> Iterator[Came]:
    """Yield what is published from now on, for so long. Raises BusError, also for a subscription that is refused."""
    until = monotonic() + seconds
    connection: Any = None
    try:
        # Not one of the pool's: in subscribe mode it can do nothing else.
        connection = clients.pool(ANSWER_S).make_connection()
        connection.connect()
        for name, is_pattern in keys:
            connection.send_command("PSUBSCRIBE" if is_pattern else "SUBSCRIBE", name)
        while (left := until - monotonic()) > 0:
            if not connection.can_read(timeout=left):
                continue
            reply = connection.read_response(disable_decoding=True)
            if reply[0] == b"message":
                yield Came(reply[1], reply[2], None)
            elif reply[0] == b"pmessage":
                yield Came(reply[2], reply[3], reply[1])
    except (*LOST, RedisError) as error:
        raise translate(error, where=clients.where) from error
    finally:
        if connection is not None:
            connection.disconnect()
