"""Handlers on an event loop: what has finished makes room, at whatever moment more comes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from django_redis_bus.core.ports import Delivery
from django_redis_bus.runtime.aio import AsyncExecutor, LoopThread
from tests.contract.consuming import wait_for
from tests.runtime.examples import delivery, dispatcher, handler


async def nothing() -> None: ...


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    made = LoopThread(nothing)
    yield made
    made.close()


def test_what_comes_just_as_the_last_has_finished_is_started(thread: LoopThread) -> None:
    # Given one that ends, and others that come after its coroutine and before its task is done
    seen: list[int] = []
    others = [delivery(number) for number in range(1, 5)]

    async def note(event: object) -> None:
        seen.append(1)
        if len(seen) == 1:
            executor._held += len(others)
            thread.loop.call_soon(executor._take, others)

    executor = AsyncExecutor(dispatcher(handler(note, is_async=True)), loop=thread.loop, slots=1)
    executor.feed([delivery(0)], lambda: True)

    # Then they run as well
    wait_for(lambda: len(seen) == 5, timeout_s=5)
    executor.close()


def test_what_was_not_taken_back_in_time_is_still_there(thread: LoopThread) -> None:
    # Given an event loop that is blocked, and deliveries that wait for a slot
    seen: list[str] = []

    async def note(event: object) -> None:
        seen.append("x")

    executor = AsyncExecutor(dispatcher(handler(note, is_async=True)), loop=thread.loop, slots=1)
    thread.loop.call_soon_threadsafe(time.sleep, 0.5)
    some: list[Delivery] = [delivery(number) for number in range(5)]
    executor.feed(some, lambda: True)

    # When they are asked back, and the answer is not waited for
    assert executor.take_back(0.05) == []

    # Then they run
    wait_for(lambda: len(seen) == 5, timeout_s=5)
    assert len(executor.drain(1.0, 5)) == 5
    assert executor.held == 0
    executor.close()
