"""What a paused group gives back leaves nothing behind in its consumer: neither keys nor events."""

from __future__ import annotations

import asyncio
import time
from threading import Event as Flag

from django_redis_bus import Event, buses
from django_redis_bus.operations import pausing
from django_redis_bus.operations.asking import Asking
from django_redis_bus.transport.scripts import script
from tests.contract.consuming import TOPIC, Contract, Running, wait_for


def visit() -> Asking:
    return Asking(buses["default"], 10.0)


def pause(contract: Contract, running: Running) -> None:
    pausing.pause(visit(), TOPIC, "g", by="ada")
    wait_for(lambda: all((contract.record(name) or {}).get("paused") for name in running.names))


def test_keys_of_what_threads_gave_back_are_free_again(contract: Contract) -> None:
    # Given more keys than threads, so that some wait for a thread
    free, seen = Flag(), []
    stream = contract.stream()

    @stream.handler(group="g")
    def wait(event: Event[int]) -> None:
        free.wait(20)
        seen.append(event.data)

    for n in range(12):
        stream.publish(n, key=f"k{n % 6}")
    running = contract.start(threads=2)
    wait_for(lambda: len(contract.pending()) >= 8)

    # When the group is paused, and goes on
    pause(contract, running)
    free.set()
    pausing.resume(visit(), TOPIC, "g")

    # Then each is handled
    wait_for(lambda: sorted(seen) == list(range(12)), what=f"for all of {seen}")


def test_what_an_event_loop_gives_back_too_late_is_not_forgotten(contract: Contract) -> None:
    # Given a handler that blocks the event loop, and events of its key that wait behind it
    began, seen = Flag(), []
    stream = contract.stream()

    @stream.handler(group="g")
    async def block(event: Event[int]) -> None:
        if not began.is_set():
            began.set()
            time.sleep(1.6)  # noqa: ASYNC251
            await asyncio.sleep(1)
        seen.append(event.data)

    for n in range(12):
        stream.publish(n, key="k")
    running = contract.start()
    wait_for(began.is_set)

    # When the group is paused meanwhile, and goes on
    pause(contract, running)
    time.sleep(2.5)
    pausing.resume(visit(), TOPIC, "g")

    # Then each is handled
    wait_for(lambda: sorted(seen) == list(range(12)), what=f"for all of {seen}")


def test_order_per_key_outlives_a_pause(contract: Contract) -> None:
    # Given a consumer with events of one key in hand
    free, seen = Flag(), []
    stream = contract.stream()

    @stream.handler(group="g")
    def note(event: Event[int]) -> None:
        free.wait(20)
        seen.append(event.data)

    for n in range(30):
        stream.publish(n, key="k")
    running = contract.start()
    wait_for(lambda: len(contract.pending()) >= 10)

    # When the group is paused, more come, and it goes on
    pause(contract, running)
    free.set()
    for n in range(30, 60):
        stream.publish(n, key="k")
    pausing.resume(visit(), TOPIC, "g")

    wait_for(lambda: len(seen) == 60)
    assert seen == list(range(60))


def test_what_is_put_aside_just_as_its_handler_goes_on_is_due_at_once(contract: Contract) -> None:
    # Given a consumer that does not know yet that a handler goes on, and many others that wait
    contract.client.zadd(contract.keys().retry, {f"{n}-0": 9e15 for n in range(1, 20_000)})
    contract.client.xgroup_create(contract.key, "g", "0", mkstream=True)
    entry_id = contract.raw({"n": "1"})
    contract.client.xreadgroup("g", "here", {contract.key: ">"})
    keys = contract.keys()

    def hold() -> float:
        contract.client.eval(
            script("hold").text.decode(), 4, keys.stream, keys.retry, keys.failures, keys.paused,
            "g", "here", entry_id, "shop.note",
        )  # fmt: skip
        seconds, micros = contract.client.time()
        return contract.client.zscore(keys.retry, entry_id) - (seconds * 1000 + micros / 1000)

    assert hold() <= 0
    contract.client.hset(keys.paused, "g\nshop.note", "{}")
    assert hold() > 15_000
