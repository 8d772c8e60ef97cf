"""Channel messages in one process: published, and heard by a pattern; by hand and by the bus.

Each function makes itself ready and returns the work to be measured, as in `floor`.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import redis
import redis.asyncio

from . import project
from .floor import Work
from .job import Job, order

if TYPE_CHECKING:
    from django_redis_bus import Channel

CHANNEL = "bench:live"
PATTERN = "bench:l*"
CHUNK = 100
LIMIT_S = 60
"""Longer than this no run takes."""


def structured(data: object) -> str:
    """Return a channel message, the same as the bus publishes."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": str(uuid4()),
            "source": "bench",
            "type": "bench.live",
            "time": datetime.now(UTC).isoformat(),
            "datacontenttype": "application/json",
            "data": data,
        }
    )


# --- publishing


def publish_by_hand(job: Job, message: Callable[[object], str] = structured) -> Work:
    """PUBLISH, with XADD before it where there is a history; several in a pipeline."""
    client: Any = redis.Redis.from_url(job.url)
    orders = [order(n) for n in range(job.events)]

    def add(pipeline: Any, data: object) -> None:
        text = message(data)
        if job.history:
            pipeline.xadd(f"{CHANNEL}:history", {"e": text}, maxlen=job.history, approximate=False)
        pipeline.publish(CHANNEL, text)

    def run() -> int:
        if job.batch == 1 and not job.history:
            for data in orders:
                client.publish(CHANNEL, message(data))
            return len(orders)
        for at in range(0, len(orders), job.batch):
            pipeline = client.pipeline(transaction=False)
            for data in orders[at : at + job.batch]:
                add(pipeline, data)
            pipeline.execute()
        return len(orders)

    return run


def publish_bare(job: Job) -> Work:
    return publish_by_hand(job, json.dumps)


def channel(job: Job) -> Channel[Any]:
    """Set up Django and return the channel."""
    project.setup(job)
    from django_redis_bus import Channel

    return Channel(CHANNEL, history=job.history)


def publish(job: Job) -> Work:
    live = channel(job)
    from django_redis_bus import bus

    orders = [order(n) for n in range(job.events)]

    def run() -> int:
        if job.batch == 1:
            for data in orders:
                live.publish(data)
            return len(orders)
        for at in range(0, len(orders), job.batch):
            bus.publish_many([(live, data) for data in orders[at : at + job.batch]])
        return len(orders)

    return run


# --- listening


def feed(job: Job) -> Work:
    """Publish what was encoded before, as fast as Redis takes it: what is measured is the other side."""
    messages = [command("PUBLISH", CHANNEL, structured(order(n))) for n in range(job.events)]
    server = urlsplit(job.url)
    connection = socket.create_connection((server.hostname, server.port))

    def run() -> int:
        for at in range(0, len(messages), CHUNK):
            chunk = messages[at : at + CHUNK]
            connection.sendall(b"".join(chunk))
            answers = 0
            while answers < len(chunk):
                answers += connection.recv(65536).count(b"\n")
        return len(messages)

    return run


def command(*words: str) -> bytes:
    """Return a command as it goes over the wire."""
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)


def listen_by_hand(job: Job) -> Work:
    loop = asyncio.new_event_loop()
    pubsub: Any = redis.asyncio.Redis.from_url(job.url).pubsub()
    count = 0

    async def subscribe() -> None:
        await pubsub.psubscribe(PATTERN)
        while (await pubsub.get_message(timeout=5))["type"] != "psubscribe":
            pass

    def handle(data: Any) -> None:
        nonlocal count
        count += 1

    async def run() -> int:
        async for message in pubsub.listen():
            if message["type"] == "pmessage":
                handle(json.loads(message["data"])["data"])
                if count == job.events:
                    break
        return count

    loop.run_until_complete(subscribe())
    return within_limit(loop, run)


def listen(job: Job) -> Work:
    """Hear them with an async handler, in the event loop that reads."""
    return _listening(job, asynchronous=True)


def listen_in_thread(job: Job) -> Work:
    """Hear them with an ordinary function: it runs in a thread of its own."""
    return _listening(job, asynchronous=False)


def _listening(job: Job, *, asynchronous: bool) -> Work:
    project.setup(job)
    from django_redis_bus import bus

    loop = asyncio.new_event_loop()
    heard = asyncio.Event()
    count = 0
    gaps: list[Any] = []

    def handle(event: Any) -> None:
        nonlocal count
        if event.data is not None:  # decodes it
            count += 1
        if count == job.events:
            loop.call_soon_threadsafe(heard.set)

    async def handle_in_loop(event: Any) -> None:
        handle(event)

    def lost(gap: Any) -> None:
        gaps.append(gap)
        loop.call_soon_threadsafe(heard.set)

    async def subscribe() -> None:
        # Nothing may be lost here: the reading waits where by default the oldest would be dropped.
        await bus.psubscribe(PATTERN, handle_in_loop if asynchronous else handle, overflow="block", on_gap=lost)

    async def run() -> int:
        await heard.wait()
        if gaps:
            raise RuntimeError(f"{count} events, then {gaps[0]}")
        return count

    loop.run_until_complete(subscribe())
    return within_limit(loop, run)


def within_limit(loop: asyncio.AbstractEventLoop, run: Callable[[], Coroutine[Any, Any, int]]) -> Work:
    async def limited() -> int:
        return await asyncio.wait_for(run(), LIMIT_S)

    return lambda: loop.run_until_complete(limited())
