"""What a page of the console costs with little and with much in Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django_redis_bus.core.keys import GroupKeys

from .floor import envelope
from .job import LEASE_MS, STREAM, Job, order
from .rig import Rig, Side

LITTLE, MUCH = 10, 1_000_000
"""Entries. A tenth of them are pending, and as many dead letters."""
GROUP = "billing"
CHUNK = 20_000

FILL = """
local fields = cjson.decode(ARGV[1])
for _ = 1, tonumber(ARGV[2]) do
  redis.call('XADD', KEYS[1], '*', unpack(fields))
end
"""


class Visits(Side):
    """The process that is visited."""

    module = "benchmarks.visiting"


def console_table(rig: Rig) -> Iterator[str]:
    """Measure each page twice and return the lines of the table."""
    few, many = measured(rig, LITTLE), measured(rig, MUCH)
    yield f"| page | {LITTLE:,} entries: ms | peak KB | {MUCH:,} entries: ms (most) | peak KB | target |"
    yield "|---|---|---|---|---|---|"
    for name, little in few.items():
        much = many[name]
        yield (
            f"| {name} | {little['median_ms']:.0f} | {little['peak_kb']:,.0f} "
            f"| {much['median_ms']:.0f} ({much['max_ms']:.0f}) | {much['peak_kb']:,.0f} | < 500 ms |"
        )


def measured(rig: Rig, entries: int) -> Any:
    """Fill Redis and visit all pages."""
    fill(rig, entries)
    side = Visits(Job(side="", work="", url=rig.url, group=GROUP, events=entries))
    try:
        side.ready().go()
        return side.answered()
    finally:
        side.kill()


def fill(rig: Rig, entries: int) -> None:
    """Make a stream, a tenth of it pending for a dead consumer, half of that to be tried again, and dead letters."""
    client = rig.client
    client.flushall()
    keys = GroupKeys(stream=STREAM, group=GROUP)
    add = client.register_script(FILL)
    some = entries // 10
    dead = {
        "dead_group": GROUP, "dead_entry": "1-0", "dead_reason": "exhausted", "dead_error": "ValueError: no",
        "dead_traceback": "Traceback", "dead_attempts": "10", "dead_consumer": "killed", "dead_first": "1",
        "dead_last": "2",
    }  # fmt: skip
    for key, count, fields in ((STREAM, entries, {}), (keys.dead, some, dead)):
        flat = [str(part) for pair in (fields | envelope(order(7))).items() for part in pair]
        for at in range(0, count, CHUNK):
            add(keys=[key], args=[json.dumps(flat), min(CHUNK, count - at)])
    client.xgroup_create(STREAM, GROUP, id="0")
    left = some
    while left > 0:
        [[_, taken]] = client.xreadgroup(GROUP, "killed", {STREAM: ">"}, count=min(left, CHUNK))
        left -= len(taken)
        ids = [entry_id for entry_id, _ in taken]
        for at in range(0, len(ids), 1000):
            client.xclaim(STREAM, GROUP, "killed", 0, ids[at : at + 1000], idle=2 * LEASE_MS, justid=True)
        for at in range(0, len(ids) // 2, 1000):
            page = ids[: len(ids) // 2][at : at + 1000]
            client.zadd(keys.retry, dict.fromkeys(page, 4e12))
            client.hset(keys.failures, mapping=dict.fromkeys(page, '{"error":"ValueError: no","first":1,"last":2}'))
