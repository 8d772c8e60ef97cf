"""A bus whose Redis a test fills by hand, and the visits that look at it."""

from __future__ import annotations

import json
from typing import Any

import redis

from django_redis_bus import bus, buses
from django_redis_bus.core.keys import GroupKeys, listeners_key, stream_key, streams_key
from django_redis_bus.operations.asking import Asking

HOSTILE = "\x1b[31mred\r\nnext\u202e"


class Scene:
    """Streams of the default bus, filled through a plain client.

    Args:
        client: on its server.
        prefix: its KEY_PREFIX.
    """

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self.client = client
        self.prefix = prefix

    def asking(self, within_s: float = 20.0) -> Asking:
        """Return a visit that has more time than a page would get."""
        return Asking(buses["default"], within_s)

    def key(self, topic: str = "events:order") -> str:
        return stream_key(self.prefix, topic)

    def keys(self, group: str = "", topic: str = "events:order") -> GroupKeys:
        return GroupKeys(stream=self.key(topic), group=group)

    def now_ms(self) -> int:
        seconds, micros = self.client.time()
        return int(seconds * 1000 + micros // 1000)

    def add(
        self, count: int = 1, topic: str = "events:order", *, ago_ms: int | None = None, **fields: Any
    ) -> list[str]:
        """Add plain entries, by ids of their own if they are to be old; return their ids."""
        at = "*" if ago_ms is None else f"{self.now_ms() - ago_ms}-*"
        made = [self.client.xadd(self.key(topic), fields or {"n": n}, id=at) for n in range(count)]
        return [entry_id.decode() for entry_id in made]

    def publish(self, data: Any, topic: str = "events:order", **options: Any) -> str:
        """Publish an event as a bus does; return its entry id."""
        entry_id = bus.publish(topic, data, **options).entry_id
        assert entry_id is not None
        return entry_id

    def group(
        self,
        name: str = "billing",
        topic: str = "events:order",
        *,
        start: str = "0",
        read: int = 0,
        consumer: str = "c",
    ) -> None:
        """Make a group that has read so many entries and settled none."""
        self.client.xgroup_create(self.key(topic), name, start, mkstream=True)
        if read:
            self.client.xreadgroup(name, consumer, {self.key(topic): ">"}, count=read)

    def beat(self, group: str = "billing", name: str = "c", *, ago_ms: int = 0, **said: Any) -> None:
        """Let a consumer have a heartbeat."""
        keys, now = self.keys(group), self.now_ms() - ago_ms
        self.client.hset(keys.consumers, name, json.dumps({"token": "t", "pid": 7, "beat": now, **said}))
        self.client.hset(keys.groups, group, now)

    def opened(self, *topics: str) -> None:
        """Note streams as consumers do that open them."""
        self.client.sadd(streams_key(self.prefix), *topics)

    def listener(self, name: str, *, ago_ms: int = 0, **said: Any) -> None:
        record = {"what": "relay", "beat": self.now_ms() - ago_ms, "topics": ["chat:*"], **said}
        self.client.hset(listeners_key(self.prefix), name, json.dumps(record))

    def denied(self, user: str, *rules: str) -> None:
        """Make a user without a password who may do all but this."""
        self.client.execute_command("ACL", "SETUSER", user, "reset", "on", "nopass", "+@all", "allkeys", *rules)
