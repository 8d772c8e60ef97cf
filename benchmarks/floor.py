"""The floor: what one would write by hand with redis-py, hiredis and json, and nothing else.

Each function makes itself ready and returns the work to be measured, which returns how many events it saw, or the delay
of each. All of them ack after handling.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import redis
import redis.asyncio

from . import project
from .job import LEASE_MS, STREAM, Job, order

Fields = dict[bytes, bytes]
Work = Callable[[], int | list[float]]


class Consumer:
    """XREADGROUP COUNT n, one XACK per batch."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.client: Any = redis.Redis.from_url(job.url)

    def read(self, block_ms: int | None = None) -> list[tuple[bytes, Fields]]:
        reply: Any = self.client.xreadgroup(
            self.job.group, "floor", {STREAM: ">"}, count=self.job.batch, block=block_ms
        )
        return entries(reply)

    def ack(self, batch: list[tuple[bytes, Fields]]) -> None:
        self.client.xack(STREAM, self.job.group, *[entry_id for entry_id, _ in batch])


def entries(reply: Any) -> list[tuple[bytes, Fields]]:
    """Return the entries of one stream, whichever protocol redis-py speaks by default."""
    if not reply:
        return []
    found: list[tuple[bytes, Fields]] = next(iter(reply.values()))[0] if isinstance(reply, dict) else reply[0][1]
    return found


def consume(job: Job) -> Work:
    consumer = Consumer(job)

    def run() -> int:
        count = 0

        def handle(data: Any) -> None:
            nonlocal count
            count += 1

        while batch := consumer.read():
            for _, fields in batch:
                handle(json.loads(fields[b"data"]))
            consumer.ack(batch)
        return count

    return run


def consume_batch(job: Job) -> Work:
    consumer = Consumer(job)

    def run() -> int:
        count = 0

        def handle(batch: list[Any]) -> None:
            nonlocal count
            count += len(batch)

        while batch := consumer.read():
            handle([json.loads(fields[b"data"]) for _, fields in batch])
            consumer.ack(batch)
        return count

    return run


def consume_once(job: Job) -> Work:
    """Each event in a transaction that begins with the insert of its id: what was there already is passed over."""
    project.setup_with_tables(job)
    from django.db import connection, transaction

    from django_redis_bus.models import InboxEvent

    consumer = Consumer(job)
    columns = 'digest, "group", event_id, handled_ms'
    insert = f"INSERT OR IGNORE INTO {InboxEvent._meta.db_table} ({columns}) VALUES (%s, %s, %s, %s)"

    def run() -> int:
        count = 0

        def handle(data: Any) -> None:
            nonlocal count
            count += 1

        while batch := consumer.read():
            for _, fields in batch:
                event_id = fields[b"ce_id"].decode()
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute(insert, [event_id.replace("-", ""), job.group, event_id, int(time.time() * 1000)])
                    if cursor.rowcount:
                        handle(json.loads(fields[b"data"]))
            consumer.ack(batch)
        return count

    return run


def consume_threads(job: Job) -> Work:
    consumer = Consumer(job)
    pool = ThreadPoolExecutor(job.threads)

    def handle(item: tuple[bytes, Fields]) -> None:
        json.loads(item[1][b"data"])
        time.sleep(job.wait_s)

    def run() -> int:
        count = 0
        while batch := consumer.read():
            count += len(list(pool.map(handle, batch)))
            consumer.ack(batch)
        return count

    return run


def consume_async(job: Job) -> Work:
    async def handle(fields: Fields) -> None:
        json.loads(fields[b"data"])
        await asyncio.sleep(job.wait_s)

    async def run() -> int:
        count = 0
        client = redis.asyncio.Redis.from_url(job.url)
        while batch := entries(await client.xreadgroup(job.group, "floor", {STREAM: ">"}, count=job.batch)):
            await asyncio.gather(*[handle(fields) for _, fields in batch])
            await client.xack(STREAM, job.group, *[entry_id for entry_id, _ in batch])
            count += len(batch)
        await client.aclose()
        return count

    return lambda: asyncio.run(run())


def recover(job: Job) -> Work:
    consumer = Consumer(job)

    def run() -> int:
        count = 0
        start: Any = "0-0"
        while True:
            reply: Any = consumer.client.xautoclaim(STREAM, job.group, "floor", LEASE_MS, start, count=job.batch)
            start, batch = reply[0], reply[1]
            for _, fields in batch:
                json.loads(fields[b"data"])
                count += 1
            if batch:
                consumer.ack(batch)
            if start == b"0-0":
                return count

    return run


def receive(job: Job) -> Work:
    consumer = Consumer(job)

    def run() -> list[float]:
        delays: list[float] = []
        while len(delays) < job.events:
            batch = consumer.read(block_ms=500)
            for _, fields in batch:
                data = json.loads(fields[b"data"])
                delays.append(time.monotonic() - data["sent"])
            if batch:
                consumer.ack(batch)
        return delays

    return run


def envelope(data: object) -> dict[str, str]:
    """Return the fields of an entry, the same as the bus writes."""
    return {
        "ce_specversion": "1.0",
        "ce_id": str(uuid4()),
        "ce_source": "bench",
        "ce_type": "bench.order",
        "ce_time": datetime.now(UTC).isoformat(),
        "content-type": "application/json",
        "data": json.dumps(data),
    }


def bare(data: object) -> dict[str, str]:
    """Return the least one can send."""
    return {"data": json.dumps(data)}


def publish(job: Job, fields: Callable[[object], dict[str, str]] = envelope) -> Work:
    client: Any = redis.Redis.from_url(job.url)
    orders = [order(n) for n in range(job.events)]

    def one_by_one() -> int:
        for data in orders:
            client.xadd(STREAM, fields(data))
        return len(orders)

    def in_batches() -> int:
        for at in range(0, len(orders), job.batch):
            pipeline = client.pipeline(transaction=False)
            for data in orders[at : at + job.batch]:
                pipeline.xadd(STREAM, fields(data))
            pipeline.execute()
        return len(orders)

    return one_by_one if job.batch == 1 else in_batches


def publish_bare(job: Job) -> Work:
    return publish(job, bare)


def send(job: Job) -> Work:
    client: Any = redis.Redis.from_url(job.url)
    return pace(job, lambda data: client.xadd(STREAM, envelope(data)))


def pace(job: Job, publish_one: Callable[[object], object]) -> Work:
    """Publish at an even rate, each event at its own moment whatever the one before took."""

    def run() -> int:
        begin = time.monotonic() + 0.3  # the consumer waits in its first read by then
        for n in range(job.events):
            time.sleep(max(0.0, begin + n / job.per_second - time.monotonic()))
            publish_one({**order(n), "sent": time.monotonic()})
        return job.events

    return run
