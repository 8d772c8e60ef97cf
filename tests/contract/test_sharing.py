"""Several consumers of one group: who has what, for how long, and who takes it over."""

from __future__ import annotations

import time
from threading import Event as Flag
from threading import Lock
from typing import Any

import pytest

from django_redis_bus import Retry
from tests.contract.consuming import Contract, wait_for

KINDS = ["sync", "threads", "async", "batch"]


def handled_by(contract: Contract, kind: str, seconds: float, **binding: Any) -> tuple[Any, list[Any]]:
    """Declare the stream with a handler that takes so long; return the stream and what it has begun."""
    import asyncio

    stream = contract.stream()
    begun: list[Any] = []

    if kind == "async":

        @stream.handler(group="g", **binding)
        async def handle_async(event: Any) -> None:
            begun.append(event.data)
            await asyncio.sleep(seconds)

    elif kind == "batch":

        @stream.handler(group="g", batch=10, **binding)
        def handle_batch(events: list[Any]) -> None:
            begun.extend(event.data for event in events)
            time.sleep(seconds)

    else:

        @stream.handler(group="g", **binding)
        def handle(event: Any) -> None:
            begun.append(event.data)
            time.sleep(seconds)

    return stream, begun


def test_two_consumers_share_the_work_and_nothing_runs_twice(contract: Contract) -> None:
    stream = contract.stream()
    lock = Lock()
    seen: list[int] = []

    @stream.handler(group="g")
    def handle(event: Any) -> None:
        with lock:
            seen.append(event.data)
        time.sleep(0.005)

    one, two = contract.start(), contract.start()
    contract.publish(stream, *range(200))

    wait_for(contract.settled)
    assert one.stop() == two.stop() == 0
    assert sorted(seen) == list(range(200))
    shares = [running.worker.loops[0].settling.counts.handled for running in (one, two)]
    assert sum(shares) == 200
    assert min(shares) > 20


@pytest.mark.parametrize("kind", KINDS)
def test_while_a_handler_runs_for_longer_than_its_lease_nobody_else_runs_it(contract: Contract, kind: str) -> None:
    # Given a lease of a second, handlers of 2.5, and two consumers
    stream, begun = handled_by(contract, kind, 2.5)
    options: dict[str, Any] = {"lease_s": 1.0, "threads": 2 if kind == "threads" else 0}
    one = contract.start(**options)
    contract.publish(stream, 0)
    wait_for(lambda: begun)
    two = contract.start(**options)

    wait_for(contract.settled)

    assert begun == [0]
    assert [r.worker.loops[0].settling.counts.taken_over for r in (one, two)] == [0, 0]


def test_what_waits_behind_a_slow_handler_keeps_its_lease_or_is_given_to_a_peer(contract: Contract) -> None:
    # Given a batch read at once of which each event takes half a lease
    stream, begun = handled_by(contract, "sync", 0.5)
    contract.publish(stream, *range(8))
    options = {"lease_s": 1.0}
    running = [contract.start(**options), contract.start(**options)]

    wait_for(contract.settled)

    assert sorted(begun) == list(range(8))
    assert sum(r.worker.loops[0].settling.counts.taken_over for r in running) == 0


def test_a_dead_consumers_entries_are_claimed_when_their_lease_is_over(contract: Contract) -> None:
    stream, begun = handled_by(contract, "sync", 0)
    contract.publish(stream, *range(300))
    contract.taken_by_a_dead_consumer(300, silent_ms=500)
    started = time.monotonic()

    contract.start(lease_s=2.0)
    wait_for(contract.settled)

    assert begun == list(range(300))
    assert time.monotonic() - started > 1.0
    assert contract.dead() == []


def test_two_consumers_share_what_a_dead_one_left(contract: Contract) -> None:
    stream, begun = handled_by(contract, "sync", 0.001)
    contract.publish(stream, *range(300))
    contract.taken_by_a_dead_consumer(300)

    contract.start(), contract.start()

    wait_for(contract.settled)
    assert sorted(begun) == list(range(300))


@pytest.mark.parametrize("outcome", ["returns", "fails", "gives up"])
def test_whoever_finishes_after_its_entry_went_to_another_changes_nothing(contract: Contract, outcome: str) -> None:
    # Given a handler whose entry is taken over while it runs
    stream = contract.stream()
    running_now, go_on = Flag(), Flag()

    @stream.handler(group="g", retry=Retry(max_attempts=1 if outcome == "gives up" else 5))
    def handle(event: Any) -> None:
        running_now.set()
        assert go_on.wait(10)
        if outcome != "returns":
            raise ValueError

    [entry_id] = contract.publish(stream, 0)
    running = contract.start(lease_s=1.0)
    assert running_now.wait(10)
    contract.client.xclaim(contract.key, "g", "another", 0, [entry_id])

    # When it finishes, more than half a lease later
    time.sleep(1.0)
    contract.client.xclaim(contract.key, "g", "another", 0, [entry_id], justid=True)
    go_on.set()
    wait_for(lambda: running.worker.loops[0].settling.counts.taken_over)

    # Then the entry is the other's, neither acked nor scheduled nor dead
    assert contract.pending() == {entry_id: "another"}
    assert contract.client.zcard(contract.keys().retry) == 0
    assert contract.dead() == []
    assert running.stop() == 0


def test_a_stopping_consumers_rest_is_taken_by_its_peer_at_once(contract: Contract) -> None:
    stream = contract.stream()
    begun: list[tuple[str, int]] = []
    go_on = Flag()

    @stream.handler(group="g")
    def handle(event: Any) -> None:
        begun.append((event.entry_id, event.attempt))
        assert go_on.wait(10)

    ids = contract.publish(stream, *range(10))
    one = contract.start(lease_s=60.0)
    wait_for(lambda: begun)
    one.ask()
    go_on.set()
    assert one.end() == 0
    contract.start(lease_s=60.0, consumer="peer")

    wait_for(contract.settled)
    assert sorted(begun) == [(i, 1) for i in ids]


def test_an_innocent_neighbour_of_crashes_is_handled_and_not_blamed(contract: Contract) -> None:
    # Given entries that were in hand in five crashes, though only one of them was ever started
    stream, begun = handled_by(contract, "sync", 0, retry=Retry(max_attempts=2))
    ids = contract.publish(stream, *range(20))
    contract.taken_by_a_dead_consumer(20)
    contract.client.hset(contract.keys().failures, mapping=dict.fromkeys(ids, '{"expired": 5, "started": false}'))
    contract.client.hset(contract.keys().failures, ids[7], '{"expired": 5, "started": true}')
    contract.client.xclaim(contract.key, "g", "gone", 0, [ids[7]], idle=3_600_000, retrycount=2)

    contract.start()

    wait_for(contract.settled)
    assert sorted(begun) == [n for n in range(20) if n != 7]
    [letter] = contract.dead()
    assert (letter[b"dead_entry"].decode(), letter[b"dead_reason"]) == (ids[7], b"crashed")
    assert contract.client.exists(contract.keys().failures) == 0


def test_only_one_suspect_runs_in_a_process_at_a_time(contract: Contract) -> None:
    # Given two groups, each with suspects, in one process
    stream = contract.stream()
    lock = Lock()
    running: list[str] = []
    most = 0
    seen: list[str] = []

    def work(group: str, event: Any) -> None:
        nonlocal most
        with lock:
            running.append(group)
            most = max(most, len(running))
        time.sleep(0.1)
        with lock:
            running.remove(group)
            seen.append(f"{group}{event.data}")

    @stream.handler(group="one")
    def one(event: Any) -> None:
        work("one", event)

    @stream.handler(group="two")
    def two(event: Any) -> None:
        work("two", event)

    ids = contract.publish(stream, *range(3))
    for group in ("one", "two"):
        contract.taken_by_a_dead_consumer(3, group)
        contract.client.hset(contract.keys(group).failures, mapping=dict.fromkeys(ids, '{"expired": 2}'))

    contract.start(lease_s=1.0)

    wait_for(lambda: contract.settled("one") and contract.settled("two"))
    assert most == 1
    assert sorted(seen) == ["one0", "one1", "one2", "two0", "two1", "two2"]


def test_what_is_done_is_acked_before_a_suspect_runs(contract: Contract) -> None:
    # Given two entries that a dead consumer left, and one with which two have died: it may end this process as well
    stream = contract.stream()
    pending: dict[int, set[str]] = {}

    @stream.handler(group="g")
    def handle(event: Any) -> None:
        pending[event.data] = set(contract.pending())

    ids = contract.publish(stream, *range(3))
    contract.taken_by_a_dead_consumer(3)
    contract.client.hset(contract.keys().failures, ids[2], '{"expired": 2}')

    contract.start()

    wait_for(contract.settled)
    assert pending[1] == set(ids)
    assert pending[2] == {ids[2]}
