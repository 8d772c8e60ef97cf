"""Batch handlers, async handlers, threads: the same promises, and order per key."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from typing import Any

import pytest

from django_redis_bus import Reject, Retry
from tests.contract.consuming import FAST, Contract, wait_for

# --- batches


def test_a_batch_handler_gets_lists_of_at_most_its_size(contract: Contract) -> None:
    stream = contract.stream()
    sizes: list[int] = []
    seen: list[int] = []

    @stream.handler(group="g", batch=30)
    def handle(events: list[Any]) -> None:
        sizes.append(len(events))
        seen.extend(event.data for event in events)

    contract.publish(stream, *range(100))
    contract.burst()

    assert seen == list(range(100))
    assert max(sizes) <= 30
    assert max(sizes) > 1


def test_each_event_of_a_batch_has_its_own_outcome(contract: Contract) -> None:
    stream = contract.stream()
    seen: list[tuple[int, int]] = []

    @stream.handler(group="g", batch=10, retry=FAST)
    def handle(events: list[Any]) -> list[BaseException | None]:
        said: list[BaseException | None] = []
        for event in events:
            seen.append((event.data, event.attempt))
            if event.data == 1:
                said.append(Reject("never"))
            elif event.data == 2 and event.attempt == 1:
                said.append(ValueError("once"))
            elif event.data == 3:
                said.append(Retry("again", after=0.01))
            else:
                said.append(None)
        return said

    ids = contract.publish(stream, *range(6))
    contract.start()

    wait_for(contract.settled)
    attempts: dict[int, list[int]] = defaultdict(list)
    for n, attempt in seen:
        attempts[n].append(attempt)
    assert attempts == {0: [1], 1: [1], 2: [1, 2], 3: [1, 2, 3], 4: [1], 5: [1]}
    assert contract.dead_ids() == {ids[1], ids[3]}
    assert sorted(contract.reasons()) == ["exhausted", "rejected"]


def test_a_batch_that_failed_whole_is_run_again_one_by_one(contract: Contract) -> None:
    stream = contract.stream()
    calls: list[list[int]] = []

    @stream.handler(group="g", batch=10, retry=FAST)
    def handle(events: list[Any]) -> None:
        calls.append([event.data for event in events])
        if 3 in calls[-1]:
            raise ValueError

    ids = contract.publish(stream, *range(6))
    contract.start()

    wait_for(contract.settled)
    assert all(len(call) == 1 for call in calls if calls.index(call) > 0)
    assert contract.dead_ids() == {ids[3]}


def test_batch_handlers_by_type_get_only_theirs(contract: Contract) -> None:
    stream = contract.stream()
    seen: dict[str, list[int]] = {"a": [], "b": []}

    @stream.handler(group="g", types=["a"], batch=10)
    def a(events: list[Any]) -> None:
        seen["a"].extend(event.data for event in events)

    @stream.handler(group="g", types=["b"], batch=3)
    def b(events: list[Any]) -> None:
        assert len(events) <= 3
        seen["b"].extend(event.data for event in events)

    for n in range(20):
        contract.publish(stream, n, type="abc"[n % 3])
    contract.burst()

    assert seen == {"a": list(range(0, 20, 3)), "b": list(range(1, 20, 3))}
    assert contract.settled()


# --- async and threads


def test_async_handlers_run_together(contract: Contract) -> None:
    stream = contract.stream()
    together = 0
    most = 0

    @stream.handler(group="g")
    async def handle(event: Any) -> None:
        nonlocal together, most
        together += 1
        most = max(most, together)
        await asyncio.sleep(0.05)
        together -= 1

    contract.publish(stream, *range(60))
    contract.burst(batch=20)

    assert 5 < most <= 20
    assert contract.settled()


def test_threads_run_together_but_no_more_than_told(contract: Contract) -> None:
    stream = contract.stream()
    lock = threading.Lock()
    together = 0
    most = 0

    @stream.handler(group="g")
    def handle(event: Any) -> None:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        time.sleep(0.02)
        with lock:
            together -= 1

    contract.publish(stream, *range(60))
    contract.burst(threads=4)

    assert most == 4
    assert contract.settled()


@pytest.mark.parametrize("kind", ["threads", "async"])
def test_events_of_one_key_run_in_order_and_one_at_a_time(contract: Contract, kind: str) -> None:
    stream = contract.stream()
    seen: dict[str, list[int]] = defaultdict(list)
    running: dict[str, int] = defaultdict(int)
    overlaps: list[str] = []

    def enter(event: Any) -> None:
        running[event.key] += 1
        if running[event.key] > 1:
            overlaps.append(event.key)

    def leave(event: Any) -> None:
        seen[event.key].append(event.data)
        running[event.key] -= 1

    if kind == "async":

        @stream.handler(group="g")
        async def handle_async(event: Any) -> None:
            enter(event)
            await asyncio.sleep(0.001 * (event.data % 5))
            leave(event)

    else:

        @stream.handler(group="g")
        def handle(event: Any) -> None:
            enter(event)
            time.sleep(0.001 * (event.data % 5))
            leave(event)

    for n in range(120):
        contract.publish(stream, n, key=f"k{n % 6}")
    contract.burst(threads=8 if kind == "threads" else 0)

    assert overlaps == []
    assert seen == {f"k{k}": list(range(k, 120, 6)) for k in range(6)}


@pytest.mark.parametrize("kind", ["threads", "async"])
def test_a_failing_event_does_not_hold_its_key_for_ever(contract: Contract, kind: str) -> None:
    stream = contract.stream()
    seen: list[int] = []

    if kind == "async":

        @stream.handler(group="g", retry=Retry(max_attempts=1))
        async def handle_async(event: Any) -> None:
            if event.data == 0:
                raise ValueError
            seen.append(event.data)

    else:

        @stream.handler(group="g", retry=Retry(max_attempts=1))
        def handle(event: Any) -> None:
            if event.data == 0:
                raise ValueError
            seen.append(event.data)

    contract.publish(stream, 0, 1, 2, key="k")
    contract.burst(threads=3)

    assert seen == [1, 2]
    assert contract.reasons() == ["exhausted"]


@pytest.mark.parametrize("kind", ["sync", "threads", "async", "batch"])
def test_every_event_is_handled_once_and_acked(contract: Contract, kind: str) -> None:
    stream = contract.stream()
    seen: list[int] = []

    if kind == "async":

        @stream.handler(group="g")
        async def handle_async(event: Any) -> None:
            seen.append(event.data)

    elif kind == "batch":

        @stream.handler(group="g", batch=50)
        def handle_batch(events: list[Any]) -> None:
            seen.extend(event.data for event in events)

    else:

        @stream.handler(group="g")
        def handle(event: Any) -> None:
            seen.append(event.data)

    contract.publish(stream, *range(1500))
    running = contract.start(threads=4 if kind == "threads" else 0)

    wait_for(contract.settled)
    running.stop()
    assert sorted(seen) == list(range(1500))
    [loop] = running.worker.loops
    assert loop.settling.counts.handled == 1500
    assert loop.settling.counts.taken_over == 0
