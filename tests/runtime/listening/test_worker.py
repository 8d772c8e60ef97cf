"""Running one listener: order, failures, gaps, threads, its end."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from django_redis_bus.core.causation import handling
from django_redis_bus.core.events import Event
from django_redis_bus.core.gaps import Gap
from tests.runtime.listening.runs import LOST, Run


@pytest.fixture
async def run() -> AsyncIterator[Callable[..., Run]]:
    made: list[Run] = []

    def make(fn: Callable[..., Any], **options: Any) -> Run:
        made.append(Run(fn, **options))
        return made[-1]

    yield make
    for one in made:
        await one.worker.end(0.2)


def both(got: list[Any], *, fail_on: str = "") -> list[Callable[..., Any]]:
    """A `def` and an `async def` that note what they get."""

    def sync(event: Event[Any]) -> None:
        if event.data == fail_on:
            raise ValueError(f"{event.data} secret")
        got.append(event.data)

    async def asynchronous(event: Event[Any]) -> None:
        sync(event)

    return [sync, asynchronous]


KINDS = pytest.mark.parametrize("kind", [0, 1], ids=["def", "async def"])
Runs = Callable[..., Run]


@KINDS
async def test_it_calls_in_order(run: Runs, kind: int) -> None:
    got: list[Any] = []
    made = run(both(got)[kind])
    numbers = [str(n) for n in range(1_000)]

    made.put(*numbers)

    await made.until(lambda: len(got) == 1_000)
    assert got == numbers
    await made.until(lambda: made.counts["delivered"] == 1_000)


@KINDS
async def test_one_failure_is_logged_and_counted_and_hurts_nothing(
    run: Runs, kind: int, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[Any] = []
    made = run(both(got, fail_on="b")[kind])

    made.put("a", "b", "c")

    await made.until(lambda: len(got) == 2)
    assert got == ["a", "c"]
    await made.until(lambda: made.counts == {"delivered": 2, "failed": 1})
    [record] = caplog.records
    assert record.name == "django_redis_bus.listener"
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("Listener shop.it failed with a message of type chat in chat:lobby.")
    assert "ValueError: b [redacted]" in record.getMessage()
    assert "secret" not in caplog.text.replace("raise ValueError", "").replace("{event.data} secret", "")
    assert [what for what, _ in made.care.seen if what == "failed"] == ["failed"]


@KINDS
async def test_what_cannot_be_read_is_told_once_a_second_and_counted(
    run: Runs, kind: int, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[Any] = []
    made = run(both(got)[kind])

    made.put(*["bad"] * 50, "good")

    await made.until(lambda: got == ["good"])
    assert made.counts["unreadable"] == 50
    assert made.counts["failed"] == 0
    [record] = caplog.records
    assert "cannot be read (invalid_payload): [redacted] is �[31m no number" in record.getMessage()


async def test_def_runs_in_a_thread_of_its_own_that_ends_with_it(run: Runs) -> None:
    seen: list[str] = []
    made = run(lambda event: seen.append(threading.current_thread().name))
    made.put("a")
    await made.until(lambda: seen)

    await made.worker.end()

    assert seen == ["bus-shop.it"]
    assert set(made.care.seen) == {("begin", "bus-shop.it")}
    await made.until(lambda: made.ended == ["bus-shop.it"])


@KINDS
async def test_it_is_given_the_parameters_that_it_wants(run: Runs, kind: int) -> None:
    got: list[Any] = []

    def sync(event: Event[Any], room: str) -> None:
        got.append((event.data, room))

    async def asynchronous(event: Event[Any], room: str) -> None:
        got.append((event.data, room))

    made = run([sync, asynchronous][kind], parameters=("room",))
    made.put("a")
    await made.until(lambda: got == [("a", "lobby")])


@KINDS
async def test_what_it_publishes_has_the_event_as_its_cause(run: Runs, kind: int) -> None:
    seen: list[Any] = []

    def sync(event: Event[Any]) -> None:
        seen.append(handling.get() is event)

    async def asynchronous(event: Event[Any]) -> None:
        sync(event)

    made = run([sync, asynchronous][kind])
    made.put("a")
    await made.until(lambda: seen == [True])


async def test_a_def_that_returns_a_coroutine_has_failed(run: Runs, caplog: pytest.LogCaptureFixture) -> None:
    async def inner(event: Any) -> None: ...

    made = run(lambda event: inner(event))
    made.put("a")

    await made.until(lambda: made.counts["failed"] == 1)
    assert "returned an awaitable" in caplog.text


async def test_a_cancellation_from_within_is_a_failure(run: Runs, caplog: pytest.LogCaptureFixture) -> None:
    got: list[Any] = []

    async def fn(event: Event[Any]) -> None:
        if event.data == "a":
            raise asyncio.CancelledError
        got.append(event.data)

    made = run(fn)
    made.put("a", "b")

    await made.until(lambda: got == ["b"])
    assert made.counts["failed"] == 1


@KINDS
@pytest.mark.parametrize("gap_is_async", [False, True])
async def test_it_is_told_of_gaps_in_their_place(run: Runs, kind: int, gap_is_async: bool) -> None:
    got: list[Any] = []
    threads: list[str] = []

    def sync_gap(gap: Gap) -> None:
        threads.append(threading.current_thread().name)
        got.append(gap)

    async def async_gap(gap: Gap) -> None:
        got.append(gap)

    made = run(both(got)[kind], on_gap=async_gap if gap_is_async else sync_gap)
    made.put("a")
    made.queue.put_gap(LOST)
    made.put("b")

    await made.until(lambda: len(got) == 3)
    assert got == ["a", LOST, "b"]
    if kind == 0 and not gap_is_async:
        assert threads == ["bus-shop.it"]


@KINDS
async def test_on_gap_may_fail(run: Runs, kind: int, caplog: pytest.LogCaptureFixture) -> None:
    got: list[Any] = []

    def on_gap(gap: Gap) -> None:
        raise ValueError("no")

    made = run(both(got)[kind], on_gap=on_gap)
    made.queue.put_gap(LOST)
    made.put("b")

    await made.until(lambda: got == ["b"])
    assert made.counts["failed"] == 1
    assert "Listener shop.it on_gap failed" in caplog.text


@pytest.mark.parametrize(("reason", "lines"), [("overflow", 1), ("lost", 0)])
async def test_without_on_gap_an_overflow_is_logged(
    run: Runs, reason: Any, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    # Of a lost connection there is one line for all listeners
    made = run(both([])[1])
    made.queue.put_gap(Gap(topics=("t",), reason=reason, seconds=1, missed=7))
    made.put("a")

    await made.until(lambda: made.counts["delivered"] == 1)
    assert [record.getMessage()[:28] for record in caplog.records] == ["Listener shop.it is too slow"] * lines


@KINDS
async def test_its_end_lets_a_call_end_and_begins_no_other(run: Runs, kind: int) -> None:
    begun: list[Any] = []
    done: list[Any] = []

    def sync(event: Event[Any]) -> None:
        begun.append(event.data)
        time.sleep(0.05)
        done.append(event.data)

    async def asynchronous(event: Event[Any]) -> None:
        begun.append(event.data)
        await asyncio.sleep(0.05)
        done.append(event.data)

    made = run([sync, asynchronous][kind])
    made.put("a", "b", "c")
    await made.until(lambda: begun)

    await made.worker.end()

    assert begun == done == ["a"]


@KINDS
async def test_its_end_waits_for_no_one_who_hangs(run: Runs, kind: int) -> None:
    begun: list[Any] = []
    free = threading.Event()

    def sync(event: Event[Any]) -> None:
        begun.append(event.data)
        free.wait(20)

    async def asynchronous(event: Event[Any]) -> None:
        begun.append(event.data)
        await asyncio.sleep(20)

    made = run([sync, asynchronous][kind])
    made.put("a")
    await made.until(lambda: begun)

    started = time.monotonic()
    await made.worker.end(0.1)

    assert time.monotonic() - started < 2
    free.set()


async def test_a_listener_may_end_itself(run: Runs) -> None:
    got: list[Any] = []

    async def fn(event: Event[Any]) -> None:
        got.append(event.data)
        await made.worker.end()

    made = run(fn)
    made.put("a", "b")

    await made.until(lambda: made.worker._task.done())
    assert got == ["a"]


async def test_the_event_loop_goes_on_beside_a_busy_listener(run: Runs) -> None:
    async def fn(event: Event[Any]) -> None:
        time.sleep(0.001)  # noqa: ASYNC251  # a function that computes

    made = run(fn)
    made.put(*["x"] * 2_000)
    turns = 0
    while made.counts["delivered"] < 500:
        await asyncio.sleep(0)
        turns += 1

    assert turns > 50
