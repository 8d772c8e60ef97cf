"""What is said in the rooms, at an even rate: by hand, by a channel layer, by the bus."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import redis

from . import project
from .channels import structured
from .floor import Work
from .hubs import group_of
from .job import LEAD_S, Job, order
from .sockets import topic


def message(job: Job, n: int) -> dict[str, object]:
    """Return the data of the next message: its number, when it was said, and about 200 bytes."""
    return {"n": n, "sent": time.monotonic(), **order(n), "padding": "x" * job.padding}


def by_hand(job: Job) -> Work:
    client: Any = redis.Redis.from_url(job.url)
    topics = [topic(room) for room in range(job.rooms)]

    def run() -> int:
        begin = time.monotonic() + LEAD_S
        for n in range(job.events):
            time.sleep(max(0.0, begin + n / job.per_second - time.monotonic()))
            client.publish(topics[n % job.rooms], structured(message(job, n)))
        return job.events

    return run


def bus(job: Job) -> Work:
    project.setup(job, DEADLINE="5s")  # it is not what is measured, and has to come through on a busy machine
    from django_redis_bus import Channel

    channel: Any = Channel("bench:{room}", history=job.history)
    rooms = [channel(room=topic(room).removeprefix("bench:")) for room in range(job.rooms)]

    def run() -> int:
        begin = time.monotonic() + LEAD_S
        for n in range(job.events):
            time.sleep(max(0.0, begin + n / job.per_second - time.monotonic()))
            rooms[n % job.rooms].publish(message(job, n))
        return job.events

    return run


def by_layer(job: Job) -> Work:
    project.setup_site(job)
    from channels.layers import get_channel_layer

    groups = [group_of(topic(room)) for room in range(job.rooms)]

    async def run() -> int:
        layer: Any = get_channel_layer()
        begin = time.monotonic() + LEAD_S
        for n in range(job.events):
            await asyncio.sleep(max(0.0, begin + n / job.per_second - time.monotonic()))
            text = f'{{"event":{structured(message(job, n))}}}'
            await layer.group_send(groups[n % job.rooms], {"type": "said", "text": text})
        return job.events

    return lambda: asyncio.run(run())


pubsub_layer = core_layer = by_layer
