"""One stream and one group of it as operators find them: entries in every state, and what Redis holds of them."""

from __future__ import annotations

import json
import os
from typing import Any

import redis

from django_redis_bus.bus import buses
from django_redis_bus.core.keys import GroupKeys
from django_redis_bus.operations.asking import ACT_S, Asking

TOPIC = "events:order"
ALIVE = "web-1"
"""A consumer with a heartbeat."""
DEAD = "web-2"
"""One without."""
LEASE_MS = 30_000
"""LEASE, unless a test says otherwise."""
EVENT = {
    "ce_specversion": "1.0", "ce_id": "e1", "ce_source": "shop", "ce_type": "shop.order.created",
    "ce_time": "2026-11-22T08:00:00Z", "content-type": "application/json", "data": '{"id":1}',
}  # fmt: skip


class Ward:
    """The stream "events:order" and its group "billing".

    Args:
        client: on the server of the test.
        prefix: of the test.
    """

    topic = TOPIC
    group = "billing"

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self.client = client
        self.key = f"{prefix}:{TOPIC}"
        self.keys = GroupKeys(stream=self.key, group=self.group)
        self.beats(ALIVE)

    # --- asking

    def asking(self, within_s: float = ACT_S) -> Asking:
        """Return a new visit."""
        return Asking(buses["default"], within_s)

    def now_ms(self) -> int:
        seconds, micros = self.client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    # --- what is there

    def beats(self, consumer: str, *, ago_ms: int = 0, **record: Any) -> None:
        """Let a consumer have a heartbeat."""
        said = {"beat": self.now_ms() - ago_ms, "token": "t", "pid": os.getpid()} | record
        self.client.hset(self.keys.consumers, consumer, json.dumps(said))

    def add(self, count: int = 1, **fields: Any) -> list[str]:
        """Append entries and return their ids."""
        pipe = self.client.pipeline()
        for n in range(count):
            pipe.xadd(self.key, EVENT | {"ce_id": f"e{n}", "data": f'{{"id":{n}}}'} | fields)
        return [entry_id.decode() for entry_id in pipe.execute()]

    def make_group(self, group: str = "", start: str = "0") -> None:
        self.client.xgroup_create(self.key, group or self.group, start, mkstream=True)

    def read(self, count: int = 1, consumer: str = ALIVE, **fields: Any) -> list[str]:
        """Append entries, let a consumer read them, and return their ids."""
        self.ensure_group()
        ids = self.add(count, **fields)
        [[_, entries]] = self.client.xreadgroup(self.group, consumer, {self.key: ">"}, count=count)
        assert [entry_id.decode() for entry_id, _ in entries] == ids
        return ids

    def ensure_group(self) -> None:
        try:
            self.make_group()
        except redis.ResponseError:
            pass

    def running(self, count: int = 1, **fields: Any) -> list[str]:
        """Return entries that a live consumer has in hand."""
        return self.read(count, ALIVE, **fields)

    def silent(self, count: int = 1, *, idle_ms: int = 60_000, consumer: str = DEAD, **fields: Any) -> list[str]:
        """Return entries whose consumer is dead."""
        ids = self.read(count, consumer, **fields)
        self.client.xclaim(self.key, self.group, consumer, 0, ids, idle=idle_ms, justid=True)
        return ids

    def waiting(
        self,
        count: int = 1,
        *,
        due_in_ms: int = 600_000,
        error: str = "ValueError: no",
        held: bool = False,
        **fields: Any,
    ) -> list[str]:
        """Return entries that wait for their retry."""
        ids = self.read(count, ALIVE, **fields)
        now = self.now_ms()
        for entry_id in ids:
            self.client.zadd(self.keys.retry, {entry_id: now + due_in_ms})
            note = {"error": error, "first": now - 5000, "last": now, "started": False} | (
                {"held": True} if held else {}
            )
            self.client.hset(self.keys.failures, entry_id, json.dumps(note))
        return ids

    def note(self, entry_id: str) -> dict[str, Any] | None:
        """Return what is noted of an entry's failures."""
        raw = self.client.hget(self.keys.failures, entry_id)
        return json.loads(raw) if raw else None

    def due_in_ms(self, entry_id: str) -> float | None:
        """Return when an entry is due, None if it waits for no retry."""
        due = self.client.zscore(self.keys.retry, entry_id)
        return None if due is None else due - self.now_ms()

    def pending(self) -> dict[str, tuple[str, int]]:
        """Return id -> owner and times delivered."""
        found = self.client.xpending_range(self.key, self.group, "-", "+", 10_000)
        return {p["message_id"].decode(): (p["consumer"].decode(), p["times_delivered"]) for p in found}

    def trimmed(self, *ids: str) -> None:
        """Let entries be no longer in the stream."""
        self.client.xdel(self.key, *ids)

    # --- dead letters

    def bury(self, *ids: str, reason: str = "exhausted", error: str = "ValueError: no", **changes: Any) -> list[str]:
        """Let the group give up entries, whoever has them; return the ids of the dead letters."""
        made = []
        for entry_id in ids:
            [(_, fields)] = self.client.xrange(self.key, entry_id, entry_id)
            self.client.xack(self.key, self.group, entry_id)
            self.client.zrem(self.keys.retry, entry_id)
            made.append(self.letter(entry_id, fields, reason=reason, error=error, **changes))
        return made

    def letter(self, entry_id: str, fields: dict[Any, Any], **changes: Any) -> str:
        """Add a dead letter and return its id."""
        said = {
            "group": self.group, "entry": entry_id, "reason": "exhausted", "error": "ValueError: no",
            "traceback": "Traceback\n  boom", "attempts": 5, "consumer": ALIVE, "first": 1_795_388_384_771,
            "last": 1_795_388_390_000,
        } | changes  # fmt: skip
        flat = [part for name, value in said.items() for part in (f"dead_{name}", value)]
        flat += [part for pair in fields.items() for part in pair]
        return str(self.client.execute_command("XADD", self.keys.dead, "*", *flat).decode())

    def dead(self, count: int = 1, **changes: Any) -> list[str]:
        """Return dead letters of entries that are still in the stream."""
        return self.bury(*self.read(count), **changes)

    def letters(self) -> dict[str, dict[bytes, bytes]]:
        """Return the dead letters by their ids."""
        return {dead_id.decode(): fields for dead_id, fields in self.client.xrange(self.keys.dead)}

    def entries(self) -> dict[str, dict[bytes, bytes]]:
        """Return what is in the stream."""
        return {entry_id.decode(): fields for entry_id, fields in self.client.xrange(self.key)}
