"""Nobody waits for ever: neither new events behind failing ones, nor a stream behind another's trouble."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import pytest

from django_redis_bus import Retry, buses
from django_redis_bus.consuming import ConsumeOptions, build
from django_redis_bus.core.causation import handling
from django_redis_bus.runtime.stopping import Stopping
from tests.contract.consuming import TOPIC, Contract, Running, wait_for


@pytest.mark.parametrize("threads", [0, 2])
def test_a_backlog_of_failures_does_not_keep_new_events_waiting(contract: Contract, threads: int) -> None:
    # Given more retries that are always due than the handler can do
    stream = contract.stream()
    done: list[Any] = []

    @stream.handler(group="g", retry=Retry(max_attempts=1000, backoff_s=0.05, factor=1))
    def handle(event: Any) -> None:
        if event.data == "bad":
            time.sleep(0.01)
            raise ValueError
        done.append(event.data)

    buses["default"].publish_many([(stream, "bad")] * 200)
    running = contract.start(threads=threads)
    wait_for(lambda: sum(loop.settling.counts.retried for loop in running.worker.loops) > 100)

    # When good events come
    buses["default"].publish_many([(stream, n) for n in range(5)])

    # Then they have their turn
    wait_for(lambda: sorted(done) == [0, 1, 2, 3, 4])
    running.stop()


def test_a_slow_call_of_a_batch_handler_still_takes_whole_batches(contract: Contract) -> None:
    # Given a handler whose call costs the same for one event as for many
    stream = contract.stream()
    sizes: list[int] = []

    @stream.handler(group="g", batch=50)
    def insert(events: list[Any]) -> None:
        sizes.append(len(events))
        time.sleep(0.1)

    buses["default"].publish_many([(stream, n) for n in range(500)])
    contract.burst()
    assert sum(sizes) == 500
    assert len(sizes) <= 12


def test_one_consumer_keeps_the_order_of_a_key_though_the_batch_outlasts_the_lease(contract: Contract) -> None:
    stream = contract.stream()
    seen: list[int] = []

    @stream.handler(group="g")
    def handle(event: Any) -> None:
        seen.append(event.data)
        time.sleep(0.15)

    for n in range(24):
        stream.publish(n, key="one")
    running = contract.start(lease_s=1.0)
    wait_for(lambda: len(seen) >= 24)
    running.stop()
    assert seen == list(range(24))


def test_what_a_batch_causes_is_as_far_as_its_farthest_event(contract: Contract) -> None:
    stream = contract.stream()
    causes: list[Any] = []

    @stream.handler(group="g", batch=10)
    def handle(events: list[Any]) -> None:
        cause = handling.get()
        assert cause is not None
        causes.append((len(events), cause.id, cause.hops))

    for hops in ("3", "7"):
        contract.raw(
            {
                "ce_specversion": "1.0",
                "ce_id": f"e{hops}",
                "ce_source": "s",
                "ce_type": "t",
                "ce_hops": hops,
                "data": "1",
            }
        )
    contract.burst()
    assert causes == [(2, "", 7)]


def test_a_stream_whose_key_is_something_else_does_not_stop_the_others(contract: Contract, prefix: str) -> None:
    # Given a second stream whose key holds a string
    stream, other = contract.stream(), contract.stream("events:wrong")
    done: list[Any] = []
    stream.handler(group="g")(lambda event: done.append(event.data))
    other.handler(group="g")(lambda event: done.append(event.data))
    wrong = f"{prefix}:events:wrong"
    contract.client.set(wrong, "x")
    stopping = Stopping(5.0)
    running = Running(build(buses["default"], ConsumeOptions(topics=(TOPIC, "events:wrong")), stopping), stopping)

    # When both are consumed
    stream.publish(1)

    # Then the other one is; and this one as soon as its key is put right
    wait_for(lambda: done == [1])
    contract.client.delete(wrong)
    other.publish(2)
    wait_for(lambda: done == [1, 2])
    assert running.stop() == 0


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_event_loops_that_have_ended_leave_nothing_behind(contract: Contract) -> None:
    stream = contract.stream()
    bus = buses["default"]

    async def publish(close: bool) -> None:
        await stream.apublish(1)
        if close:
            await bus.aclose()

    for _ in range(5):
        asyncio.run(publish(close=True))
    assert len(bus.clients._async) == 0
    for _ in range(5):
        asyncio.run(publish(close=False))
    assert len(bus.clients._async) == 1
    asyncio.run(publish(close=True))
    gc.collect()
