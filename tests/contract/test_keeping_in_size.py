"""The running consumer trims: never what a live group needs, and what exceeds the retention."""

from __future__ import annotations

from threading import Event as Flag
from typing import Any

import pytest

from django_redis_bus import Retention, Retry
from django_redis_bus.transport import group as group_module
from tests.contract.consuming import Contract, wait_for


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_redis_bus.runtime.timers.TIDY_S", 0.1)


def test_what_every_group_handled_is_trimmed(contract: Contract) -> None:
    stream = contract.stream(retention=Retention(count=10))

    @stream.handler(group="one")
    def one(event: Any) -> None: ...

    @stream.handler(group="two")
    def two(event: Any) -> None: ...

    ids = contract.publish(stream, *range(500))
    contract.start()

    wait_for(lambda: contract.client.xlen(contract.key) == 10)
    assert contract.client.xrange(contract.key)[0][0].decode() == ids[-10]


def test_by_age_too(contract: Contract) -> None:
    stream = contract.stream(retention=Retention(count=None, age_s=0.5))

    @stream.handler(group="g")
    def handle(event: Any) -> None: ...

    contract.publish(stream, *range(200))
    contract.start()

    wait_for(lambda: contract.client.xlen(contract.key) <= 1)


@pytest.mark.parametrize("need", ["running", "waiting for its retry", "unread by a slow group"])
def test_what_a_group_still_needs_stays(contract: Contract, need: str) -> None:
    stream = contract.stream(retention=Retention(count=1, age_s=0.001))
    go_on = Flag()

    @stream.handler(group="g", retry=Retry(backoff_s=600))
    def handle(event: Any) -> None:
        if event.data == 100:
            if need == "running":
                assert go_on.wait(10)
            elif need == "waiting for its retry":
                raise ValueError

    ids = contract.publish(stream, *range(300))
    if need == "unread by a slow group":
        contract.client.xgroup_create(contract.key, "slow", id=ids[99])
    running = contract.start(threads=4)

    wait_for(lambda: contract.client.xlen(contract.key) < 300)
    wait_for(lambda: running.worker.loops[0].settling.counts.handled >= 299)
    left = {entry_id.decode() for entry_id, _ in contract.client.xrange(contract.key)}
    assert ids[100] in left
    if need == "unread by a slow group":
        assert set(ids[100:]) <= left
    go_on.set()


def test_a_group_without_live_consumers_holds_it_only_for_a_time(
    contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = contract.stream(retention=Retention(count=5))

    @stream.handler(group="g")
    def handle(event: Any) -> None: ...

    contract.publish(stream, *range(200))
    contract.client.xgroup_create(contract.key, "dead", id="0")
    contract.client.hset(contract.keys().groups, "dead", 1)
    monkeypatch.setattr(group_module, "PIN_MS", 10**15)
    contract.start()
    wait_for(contract.settled)
    assert contract.client.xlen(contract.key) == 200

    monkeypatch.setattr(group_module, "PIN_MS", 1000)

    wait_for(lambda: contract.client.xlen(contract.key) == 5)
