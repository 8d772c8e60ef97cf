"""Handlers and middleware that misbehave: nothing is lost, nobody hangs, the consumer lives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus import Retry
from django_redis_bus.middleware import DEFAULT, Middleware
from tests.contract.consuming import FAST, Contract, wait_for

KINDS = ["sync", "threads", "async", "batch"]


class Broken(Middleware):
    """Raises in every hook that runs outside a handler's call."""

    def begin(self) -> None:
        raise RuntimeError("begin")

    async def abegin(self) -> None:
        raise RuntimeError("abegin")

    def failed(self) -> None:
        raise RuntimeError("failed")

    async def afailed(self) -> None:
        raise RuntimeError("afailed")

    def outcome(self, *args: Any) -> None:
        raise RuntimeError("outcome")


def declare(contract: Contract, kind: str, work: Callable[[Any], Any], retry: Retry = FAST) -> Any:
    """Declare the stream with a handler of that kind that does `work` for each event."""
    stream = contract.stream()
    if kind == "async":

        @stream.handler(group="g", retry=retry)
        async def handle_async(event: Any) -> None:
            result = work(event)
            if asyncio.iscoroutine(result):
                await result

    elif kind == "batch":

        @stream.handler(group="g", retry=retry, batch=10)
        def handle_batch(events: list[Any]) -> None:
            for event in events:
                work(event)

    else:

        @stream.handler(group="g", retry=retry)
        def handle(event: Any) -> None:
            work(event)

    return stream


@pytest.mark.parametrize("kind", KINDS)
def test_broken_middleware_stops_nobody(contract: Contract, configure: Callable[..., None], kind: str) -> None:
    configure(MIDDLEWARE=[f"{__name__}.Broken", *DEFAULT])
    seen: set[int] = set()

    def work(event: Any) -> None:
        if event.data % 5 == 0 and event.attempt == 1:
            raise ValueError
        seen.add(event.data)

    stream = declare(contract, kind, work)
    contract.publish(stream, *range(40))
    running = contract.start(threads=3 if kind == "threads" else 0)

    wait_for(contract.settled)
    assert seen == set(range(40))
    assert running.stop() == 0
    assert contract.dead() == []


def test_an_exception_that_cannot_be_shown_is_cleaned_where_it_is_the_context_of_the_middlewares(
    configure: Callable[..., None], contract: Contract, caplog: pytest.LogCaptureFixture
) -> None:
    configure(MIDDLEWARE=[f"{__name__}.Broken"])
    stream = contract.stream()

    @stream.handler(group="g")
    def handle(event: Any) -> None:
        raise ValueError("\udcff \x1b[31m")

    contract.publish(stream, 1)
    contract.burst()

    assert "middleware Broken.failed failed" in caplog.text
    assert "ValueError: \N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER}[31m" in caplog.text
    assert caplog.text.encode()
    assert "\x1b" not in caplog.text


@pytest.mark.parametrize("how", ["inner task", "raised", "itself"])
def test_a_cancelled_coroutine_is_a_failure_like_others(contract: Contract, how: str) -> None:
    runs: list[int] = []

    async def work(event: Any) -> None:
        runs.append(event.attempt)
        if event.attempt > 1:
            return
        if how == "raised":
            raise asyncio.CancelledError
        if how == "itself":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(10)
        inner = asyncio.ensure_future(asyncio.sleep(10))
        inner.cancel()
        await inner

    stream = declare(contract, "async", work)
    contract.publish(stream, 1)
    running = contract.start()

    wait_for(contract.settled)
    assert runs == [1, 2]
    assert running.stop() == 0


def test_a_handler_that_exits_its_thread_does_not_take_the_consumer_with_it(contract: Contract) -> None:
    def work(event: Any) -> None:
        if event.data == 0:
            raise SystemExit(3)

    stream = declare(contract, "threads", work)
    contract.publish(stream, *range(10))
    running = contract.start(threads=2)

    wait_for(contract.settled)
    assert running.alive
    assert contract.reasons() == ["exhausted"]


@pytest.mark.parametrize("kind", ["threads", "async"])
def test_a_deadline_that_passes_cuts_off_and_gives_back(
    contract: Contract, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    # Given one handler that never ends and one that has ended
    runs: list[int] = []

    def work(event: Any) -> Any:
        runs.append(event.data)
        if event.data == 0:
            if kind == "async":
                return asyncio.sleep(30)
            time.sleep(3)
        return None

    stream = declare(contract, kind, work)
    ids = contract.publish(stream, 0, 1)
    running = contract.start(drain_s=0.5, threads=2 if kind == "threads" else 0)
    wait_for(lambda: len(runs) == 2)

    # When the deadline passes
    code = running.stop()

    # Then the exit code says so, and a peer need not wait for the lease
    assert code == 3
    assert set(contract.pending()) == {ids[0]}
    [left] = contract.client.xpending_range(contract.key, "g", "-", "+", 10)
    assert left["time_since_delivered"] >= 86_400_000
    assert "cut off" in caplog.text
    assert "will be retried" not in caplog.text


def test_a_handler_that_blocks_the_event_loop_is_cut_off_too(contract: Contract) -> None:
    runs: list[int] = []

    def work(event: Any) -> None:
        runs.append(event.data)
        if event.data == 1:
            time.sleep(4)

    stream = declare(contract, "async", work)
    ids = contract.publish(stream, 0)
    running = contract.start(drain_s=0.5)
    wait_for(contract.settled)
    ids = contract.publish(stream, 1)
    wait_for(lambda: len(runs) == 2)

    started = time.monotonic()
    code = running.stop()

    assert code == 3
    assert time.monotonic() - started < 3.5
    assert set(contract.pending()) == set(ids)


@pytest.mark.parametrize("after", [1e12, 1e300])
def test_a_wait_beyond_all_measure_is_noted_and_stops_nobody(contract: Contract, after: float) -> None:
    seen: list[int] = []

    def work(event: Any) -> None:
        if event.data == 0:
            raise Retry(after=after)
        seen.append(event.data)

    stream = declare(contract, "sync", work)
    contract.publish(stream, 0, 1)

    contract.burst()

    assert seen == [1]
    assert contract.client.zcard(contract.keys().retry) == 1


@pytest.mark.parametrize("answer", [[None], "ab", 7, [None, "x"], {0: None, 1: None}])
def test_a_batch_handler_that_answers_nonsense_has_failed(contract: Contract, answer: Any) -> None:
    stream = contract.stream()

    @stream.handler(group="g", batch=10, retry=Retry(max_attempts=1))
    def handle(events: list[Any]) -> Any:
        return answer

    contract.publish(stream, 1, 2)
    contract.burst()

    assert contract.reasons() == ["exhausted", "exhausted"]
    assert b"TypeError" in contract.dead()[0][b"dead_error"]
