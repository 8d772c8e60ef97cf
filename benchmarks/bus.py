"""The same work done by the bus: default settings, default middleware, what `manage.py consume_stream` runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import project
from .floor import Work, pace
from .job import STREAM, Job, order

if TYPE_CHECKING:
    from django_redis_bus import Stream


def setup(job: Job) -> Stream[Any]:
    """Set up Django and return the stream."""
    project.setup(job)
    from django_redis_bus import Stream

    return Stream(STREAM)


def worker(job: Job, *, burst: bool = True) -> Any:
    """Return the worker that `consume_stream` would run."""
    from django_redis_bus.bus import buses
    from django_redis_bus.consuming import ConsumeOptions, build
    from django_redis_bus.runtime.stopping import Stopping

    options = ConsumeOptions(
        groups=(job.group,),
        threads=job.threads,
        batch=job.batch,
        burst=burst,
        max_events=None if burst else job.events,
    )
    return build(buses["default"], options, Stopping(20.0))


def consume(job: Job, *, burst: bool = True) -> Work:
    count = 0
    stream = setup(job)

    @stream.handler(group=job.group)
    def handle(event: Any) -> None:
        nonlocal count
        count += 1

    return counted(worker(job, burst=burst), lambda: count)


def recover(job: Job) -> Work:
    return consume(job, burst=False)


def consume_batch(job: Job) -> Work:
    count = 0
    stream = setup(job)

    @stream.handler(group=job.group, batch=job.batch)
    def handle(events: list[Any]) -> None:
        nonlocal count
        count += len(events)

    return counted(worker(job), lambda: count)


def consume_once(job: Job) -> Work:
    count = 0
    project.setup_with_tables(job)
    from django_redis_bus import Stream

    @Stream(STREAM).handler(group=job.group, idempotent=True)
    def handle(event: Any) -> None:
        nonlocal count
        count += 1

    return counted(worker(job), lambda: count)


def consume_threads(job: Job) -> Work:
    ran: list[int] = []  # append is atomic, += is not
    stream = setup(job)

    @stream.handler(group=job.group)
    def handle(event: Any) -> None:
        time.sleep(job.wait_s)
        ran.append(event.attempt)

    return counted(worker(job), lambda: len(ran))


def consume_async(job: Job) -> Work:
    count = 0
    stream = setup(job)

    @stream.handler(group=job.group)
    async def handle(event: Any) -> None:
        nonlocal count
        await asyncio.sleep(job.wait_s)
        count += 1

    return counted(worker(job), lambda: count)


def receive(job: Job) -> Work:
    delays: list[float] = []
    stream = setup(job)

    @stream.handler(group=job.group)
    def handle(event: Any) -> None:
        delays.append(time.monotonic() - event.data["sent"])

    ready = worker(job, burst=False)

    def run() -> list[float]:
        ready.run_here()
        return delays

    return run


def counted(ready: Any, count: Callable[[], int]) -> Work:
    """Return the work of a worker that ends when nothing is left."""

    def run() -> int:
        if code := ready.run_here():
            raise RuntimeError(f"the consumer ended with code {code}")
        return count()

    return run


def publish(job: Job) -> Work:
    from django_redis_bus import bus

    stream = setup(job)
    orders = [order(n) for n in range(job.events)]

    def one_by_one() -> int:
        for data in orders:
            stream.publish(data)
        return len(orders)

    def in_batches() -> int:
        for at in range(0, len(orders), job.batch):
            bus.publish_many([(stream, data) for data in orders[at : at + job.batch]])
        return len(orders)

    return one_by_one if job.batch == 1 else in_batches


def send(job: Job) -> Work:
    return pace(job, setup(job).publish)
