"""Groups and handlers that are told to pause: what their consumers make of it."""

from __future__ import annotations

import logging
import time
from threading import Event as Flag
from typing import Any

import pytest

from django_redis_bus import Event, buses
from django_redis_bus.core.exceptions import ConfigurationError
from django_redis_bus.operations import pausing
from django_redis_bus.operations.asking import Asking
from tests.contract.consuming import FAST, TOPIC, Contract, Running, wait_for


def visit() -> Asking:
    return Asking(buses["default"], 10.0)


def pending(contract: Contract) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = contract.client.xpending_range(contract.key, "g", "-", "+", 20)
    return found


def is_paused(contract: Contract, running: Running) -> bool:
    return all((contract.record(name) or {}).get("paused") for name in running.names)


@pytest.mark.parametrize("options", [{}, {"threads": 4}], ids=["inline", "threads"])
def test_a_paused_group_takes_nothing_until_it_is_resumed(
    contract: Contract, caplog: pytest.LogCaptureFixture, options: dict[str, int]
) -> None:
    # Given a consumer that is at work
    seen: list[int] = []
    stream = contract.stream()

    @stream.handler(group="g")
    def note(event: Event[int]) -> None:
        seen.append(event.data)

    contract.publish(stream, 1)
    running = contract.start(**options)
    wait_for(lambda: seen == [1])

    # When its group is paused and events come
    pausing.pause(visit(), TOPIC, "g", by="ada", why="the gateway is down")
    wait_for(lambda: "events:contract g: paused; what runs is finished, nothing more is taken" in caplog.messages)
    time.sleep(0.7)  # a read that was under way waits so long
    contract.publish(stream, 2, 3)
    time.sleep(0.6)

    # Then they lie in the stream, and its heartbeat says so; afterwards each runs as its first attempt
    assert seen == [1]
    assert contract.pending() == {}
    wait_for(lambda: is_paused(contract, running))
    assert pausing.pauses(visit(), TOPIC)[0].by == "ada"
    assert pausing.resume(visit(), TOPIC, "g")
    wait_for(lambda: sorted(seen) == [1, 2, 3])
    wait_for(contract.settled)
    assert not pausing.resume(visit(), TOPIC, "g")
    assert [m for m in caplog.messages if "goes on" in m] == ["events:contract g: goes on"]


def test_what_a_paused_consumer_had_read_is_given_back_uncounted(contract: Contract) -> None:
    # Given a batch whose first event takes its time
    free, attempts = Flag(), []
    stream = contract.stream()

    @stream.handler(group="g")
    def wait(event: Event[int]) -> None:
        attempts.append((event.data, event.attempt))
        if event.data == 0:
            free.wait(10)

    contract.publish(stream, *range(20))
    running = contract.start()
    wait_for(lambda: attempts)

    # When the group is paused meanwhile
    pausing.pause(visit(), TOPIC, "g", by="ada")
    wait_for(lambda: is_paused(contract, running))
    free.set()

    # Then it finishes that one, and the others come later, for the first time
    wait_for(lambda: len(contract.pending()) == 19)
    time.sleep(0.5)
    assert attempts == [(0, 1)]
    pausing.resume(visit(), TOPIC, "g")
    wait_for(contract.settled)
    assert sorted(attempts) == [(n, 1) for n in range(20)]


def test_a_stop_finds_a_paused_consumer_idle(contract: Contract) -> None:
    stream = contract.stream()

    @stream.handler(group="g")
    def note(event: Event[int]) -> None: ...

    running = contract.start()
    pausing.pause(visit(), TOPIC, "g", by="ada")
    wait_for(lambda: is_paused(contract, running))

    assert running.stop() == 0


def test_a_burst_of_a_paused_group_ends(contract: Contract) -> None:
    stream = contract.stream()

    @stream.handler(group="g")
    def note(event: Event[int]) -> None: ...

    contract.publish(stream, 1)
    pausing.pause(visit(), TOPIC, "g", by="ada")

    worker = contract.burst()

    assert worker.loops[0].settling.counts.handled == 0
    assert contract.pending() == {}


@pytest.mark.parametrize("kind", ["sync", "async", "batch"])
def test_a_paused_handler_is_not_called_and_the_others_are(contract: Contract, kind: str) -> None:
    # Given a group of two handlers, one of them paused
    seen: list[tuple[str, int, int]] = []
    stream = contract.stream()

    def record(which: str, event: Event[int]) -> None:
        seen.append((which, event.data, event.attempt))

    if kind == "async":

        @stream.handler(group="g", types=["a"], retry=FAST)
        async def one(event: Event[int]) -> None:
            record("a", event)

        @stream.handler(group="g", types=["b"], retry=FAST)
        async def two(event: Event[int]) -> None:
            record("b", event)

    elif kind == "batch":

        @stream.handler(group="g", types=["a"], retry=FAST, batch=5)
        def one(events: list[Event[int]]) -> None:
            for event in events:
                record("a", event)

        @stream.handler(group="g", types=["b"], retry=FAST, batch=5)
        def two(events: list[Event[int]]) -> None:
            for event in events:
                record("b", event)

    else:

        @stream.handler(group="g", types=["a"], retry=FAST)
        def one(event: Event[int]) -> None:
            record("a", event)

        @stream.handler(group="g", types=["b"], retry=FAST)
        def two(event: Event[int]) -> None:
            record("b", event)

    name = f"{one.__module__}.{one.__qualname__}"
    pausing.pause(visit(), TOPIC, "g", name, by="ada")
    contract.publish(stream, *range(10), type="a")
    contract.publish(stream, *range(10), type="b")

    # When they are consumed
    contract.start()
    wait_for(lambda: len(seen) == 10)
    wait_for(lambda: contract.client.zcard(contract.keys().retry) == 10)

    # Then its events wait; and when it goes on they come at once, as their first attempt
    assert {which for which, _, _ in seen} == {"b"}
    # (one that is looked at again just now has a run counted, which is taken back)
    wait_for(lambda: {info["times_delivered"] for info in pending(contract)} == {0})
    assert pausing.resume(visit(), TOPIC, "g", name)
    wait_for(lambda: len(seen) == 20, timeout_s=4)
    wait_for(contract.settled)
    assert sorted(seen) == [(which, n, 1) for which in "ab" for n in range(10)]
    assert contract.client.hlen(contract.keys().failures) == 0


def test_a_retry_of_a_paused_handler_keeps_its_attempts(contract: Contract) -> None:
    # Given an event that has failed once and comes again while its handler is paused
    attempts: list[int] = []
    stream = contract.stream()

    @stream.handler(group="g", retry=FAST)
    def fail(event: Event[int]) -> None:
        attempts.append(event.attempt)
        if event.attempt < 3:
            raise ValueError("not yet")

    contract.publish(stream, 1)
    contract.burst(max_events=1)
    name = f"{fail.__module__}.{fail.__qualname__}"
    pausing.pause(visit(), TOPIC, "g", name, by="ada")
    time.sleep(0.1)
    contract.burst()
    assert attempts == [1]

    pausing.resume(visit(), TOPIC, "g", name)
    contract.start()
    wait_for(contract.settled)

    assert attempts == [1, 2, 3]


def test_a_handler_that_is_none_cannot_be_paused(contract: Contract) -> None:
    stream = contract.stream()

    @stream.handler(group="g")
    def note(event: Event[int]) -> None: ...

    with pytest.raises(ConfigurationError, match="has no handler 'nobody'"):
        pausing.pause(visit(), TOPIC, "g", "nobody", by="ada")
    assert pausing.pauses(visit(), TOPIC) == ()


def test_what_was_written_by_hand_pauses_as_well(contract: Contract, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    contract.client.hset(contract.keys().paused, mapping={"g": b"\xff", "g\n\xff": "7"})

    assert [(p.group, p.by) for p in pausing.pauses(visit(), TOPIC)] == [("g", ""), ("g", "")]
