"""Looking costs the same with ten entries as with a million."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from django_redis_bus.operations.asking import Asking
from django_redis_bus.operations.entries import browse
from django_redis_bus.operations.overview import overview
from django_redis_bus.operations.rates import minutes
from django_redis_bus.operations.streams import stream
from tests.operations.seeing import Scene
from tests.servers import Server

ENTRIES, PENDING = 1_000_000, 100_000
# Ids are given: it is quicker, and they lie in the past.
ADD = """
for i = 1, 50000 do
  local id = (ARGV[1] + i) .. '-1'
  redis.call('XADD', KEYS[1], id, 'ce_type', 'shop.order.paid', 'ce_partitionkey', i, 'data', '{"id":7}')
end
"""
READ = "redis.call('XREADGROUP', 'GROUP', 'billing', 'c', 'COUNT', 10000, 'STREAMS', KEYS[1], '>') return 1"
RETRY = """
local ids = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[1])
for _, entry in ipairs(ids) do
  redis.call('ZADD', KEYS[2], 1, entry[1])
end
"""


@pytest.fixture
def large(own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str) -> Scene:
    """A stream of a million entries, of which a group has a hundred thousand pending and cannot tell its lag."""
    server = own_server(aof=False)
    bus_settings(LOCATION=server.url)
    scene = Scene(server.client(), prefix)
    began = scene.now_ms() - ENTRIES - 1_000
    for n in range(0, ENTRIES, 50_000):
        scene.client.eval(ADD, 1, scene.key(), began + n)
    scene.client.xgroup_create(scene.key(), "billing", "0")
    for _ in range(PENDING // 10_000):
        scene.client.eval(READ, 1, scene.key())
    scene.client.eval(RETRY, 2, scene.key(), scene.keys("billing").retry, 50_000)
    scene.client.xdel(scene.key(), f"{began + ENTRIES - 5}-1")
    scene.client.xgroup_create(scene.key(), "placed", f"{began + 100}-1")
    scene.opened("events:order")
    return scene


@contextmanager
def watched(scene: Scene) -> Iterator[tuple[Counter[str], Asking]]:
    """Count the commands that the server runs, those inside scripts as well; what it answers is not much."""
    asked: Counter[str] = Counter()
    scene.client.config_resetstat()
    before = scene.client.info("stats")["total_net_output_bytes"]
    yield asked, scene.asking()
    assert scene.client.info("stats")["total_net_output_bytes"] - before < 1_000_000
    for name, stats in scene.client.info("commandstats").items():
        asked[name.removeprefix("cmdstat_")] = stats["calls"]


@pytest.mark.slow
@pytest.mark.django_db
def test_a_million_entries_with_a_hundred_thousand_pending(large: Scene) -> None:
    with watched(large) as (asked, asking):
        found = overview(asking)
    [report] = found.streams.items
    billing, placed = report.groups
    assert (report.length, billing.pending, billing.retrying) == (ENTRIES - 1, PENDING, 50_000)
    assert (str(billing.unread), str(placed.unread)) == ("≥ 1,000", "≥ 1,000")
    assert sum(asked.values()) < 400  # entries come in small steps

    with watched(large) as (asked, asking):
        whole = stream(asking, "events:order")
        minutes(asking, ["events:order"])
    assert [str(group.unread) for group in whole.groups] == ["≥ 10,000", "≥ 10,000"]
    assert sum(asked.values()) < 2_500

    with watched(large) as (asked, asking):
        newest = browse(asking, "events:order", payloads=True)
        nothing = browse(asking, "events:order", text="nowhere", payloads=True)
    assert (len(newest.items), nothing.looked_at, nothing.cut_short) == (50, 2_000, True)
    assert sum(asked.values()) < 2_500
