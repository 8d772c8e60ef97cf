"""What the tests of channels share."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence

import redis

from django_redis_bus.core.events import LIVE_ONLY, Keeping
from django_redis_bus.core.keys import ChannelKeys
from django_redis_bus.transport.publish import Live
from tests.servers import Server

KEPT = Keeping(1_000, 60_000)


def live(prefix: str, n: int, *, channel: str = "c", keeping: Keeping = LIVE_ONLY) -> Live:
    """Message n of the channel "<prefix>:<channel>"."""
    data = b'{"specversion":"1.0","id":"e%d","source":"s","type":"t","data":%d}' % (n, n)
    return Live(f"{prefix}:{channel}", data, keeping)


class Ear:
    """What one subscriber hears of some channels."""

    def __init__(self, server: Server, *channels: str) -> None:
        self._pubsub = server.client().pubsub()
        self._pubsub.subscribe(*channels)
        for _ in channels:
            assert self._pubsub.get_message(timeout=5)

    def heard(self, count: int) -> list[bytes]:
        """The next `count` messages; and there is no other."""
        found = [self._pubsub.get_message(timeout=5) for _ in range(count)]
        assert self._pubsub.get_message(timeout=0.02) is None
        return [message["data"] for message in found if message is not None]


def numbers(messages: Sequence[bytes]) -> list[int]:
    return [json.loads(raw)["data"] for raw in messages]


def history(server: Server, prefix: str, channel: str = "c") -> list[tuple[bytes, bytes]]:
    keys = ChannelKeys(f"{prefix}:{channel}")
    return [(entry_id, fields[b"e"]) for entry_id, fields in server.client().xrange(keys.history)]


def full(server: Server) -> None:
    client = server.client()
    for size in (100_000, 1_000, 10):
        with contextlib.suppress(redis.exceptions.OutOfMemoryError):
            while True:
                client.rpush("filled", b"x" * size)
