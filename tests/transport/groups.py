"""A consumer group as the tests of RedisGroupLink see it: links to it, and what Redis holds of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django_redis_bus.core.keys import GroupKeys
from django_redis_bus.core.ports import Report
from django_redis_bus.transport.clients import Clients
from django_redis_bus.transport.group import RedisGroupLink
from tests.servers import Server

RELEASED_MS = 315_360_000_000


class Group:
    """The group "g" of the stream "<prefix>:s".

    Args:
        server: where.
        prefix: of the test.
    """

    def __init__(self, server: Server, prefix: str) -> None:
        self.keys = GroupKeys(stream=f"{prefix}:s", group="g")
        self.client = server.client()
        self.clients = Clients(server.url, options={}, embedded_dir=Path("/nonexistent"))
        self._links: list[RedisGroupLink] = []

    def link(self, name: str = "", *, start: str = "0", joined: bool = True) -> RedisGroupLink:
        """Return a consumer of the group, which it has opened and joined."""
        link = RedisGroupLink(self.clients, self.keys, name=name)
        self._links.append(link)
        if joined:
            link.open(start)
            link.join()
            link.beat(Report())
        return link

    def add(self, count: int = 1) -> list[bytes]:
        """Append entries and return their ids."""
        return [self.client.xadd(self.keys.stream, {"n": n}) for n in range(count)]

    def given(self, link: RedisGroupLink, count: int = 1) -> list[bytes]:
        """Append entries and let `link` read them."""
        ids = self.add(count)
        link.send([], count, None)
        assert [d.entry_id for d in link.receive()] == ids
        return ids

    def pending(self) -> dict[bytes, tuple[str, int]]:
        """Return id -> (owner, times delivered)."""
        found = self.client.xpending_range(self.keys.stream, "g", "-", "+", 1000)
        return {p["message_id"]: (p["consumer"].decode(), p["times_delivered"]) for p in found}

    def idle_ms(self, entry_id: bytes) -> int:
        """Return for how long a pending entry has been silent."""
        return self.client.xpending_range(self.keys.stream, "g", entry_id, entry_id, 1)[0]["time_since_delivered"]

    def silence(self, entry_id: bytes, ms: int) -> None:
        """Make a pending entry look as if its owner had been silent for so long."""
        [known] = self.client.xpending_range(self.keys.stream, "g", entry_id, entry_id, 1)
        owner = known["consumer"]
        self.client.xclaim(self.keys.stream, "g", owner, 0, [entry_id], idle=ms, justid=True)

    def failure(self, entry_id: bytes) -> dict[str, Any] | None:
        """Return what is noted about an entry."""
        raw = self.client.hget(self.keys.failures, entry_id)
        return json.loads(raw) if raw else None

    def due(self, entry_id: bytes) -> float | None:
        """Return when an entry is due for its retry, in ms."""
        return self.client.zscore(self.keys.retry, entry_id)

    def now_ms(self) -> int:
        """Return the server's time."""
        seconds, micros = self.client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def record(self, name: str) -> dict[str, Any] | None:
        """Return the record of a consumer."""
        raw = self.client.hget(self.keys.consumers, name)
        return json.loads(raw) if raw else None

    def alter(self, name: str, **changes: Any) -> None:
        """Change the record of a consumer."""
        record = self.record(name)
        assert record is not None
        self.client.hset(self.keys.consumers, name, json.dumps(record | changes))

    def dead(self) -> list[dict[bytes, bytes]]:
        """Return the dead letters."""
        return [fields for _, fields in self.client.xrange(self.keys.dead)]

    def consumers(self) -> set[str]:
        """Return the names of the group's consumers."""
        return {c["name"].decode() for c in self.client.xinfo_consumers(self.keys.stream, "g")}

    def close(self) -> None:
        """Close the links."""
        for link in self._links:
            link.close()
        self.clients.close()
