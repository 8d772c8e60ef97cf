"""Ship rows that lie in a database: by hand, and by the relay of the bus. Each returns how many it shipped.

All have the same number of rows before them, of events of the same size, four of each key.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import redis

from . import project
from .floor import Work, envelope
from .job import STREAM, Job, order

PER_KEY = 4
PER_MS = 80


def key_of(number: int) -> str:
    return str(number // PER_KEY)


def by_hand(job: Job) -> Work:
    """Select ids and bytes, a pipeline of XADD, delete by id. The bytes are the fields of the entry, as JSON."""
    return _by_hand(job, _whole, json.loads)


def by_hand_bare(job: Job) -> Work:
    """The same, and the bytes are all there is in the entry."""
    return _by_hand(job, lambda number: json.dumps(order(number)), lambda data: {"data": bytes(data)})


def _whole(number: int) -> str:
    key = key_of(number)
    return json.dumps({**envelope(order(number)), "ce_subject": key, "ce_partitionkey": key})


def _by_hand(job: Job, stored: Callable[[int], str], fields: Callable[[Any], Any]) -> Work:
    project.setup_without_bus(job)
    from django.db import connection

    from .models import Waiting

    Waiting.objects.bulk_create([Waiting(data=stored(n).encode()) for n in range(job.events)], batch_size=1000)
    client: Any = redis.Redis.from_url(job.url)
    table = Waiting._meta.db_table

    def run() -> int:
        count = 0
        with connection.cursor() as cursor:
            while True:
                cursor.execute(f"SELECT id, data FROM {table} ORDER BY id LIMIT {job.batch}")
                rows = cursor.fetchall()
                if not rows:
                    return count
                pipeline = client.pipeline(transaction=False)
                for _, data in rows:
                    pipeline.xadd(STREAM, fields(data))
                pipeline.execute()
                cursor.execute(f"DELETE FROM {table} WHERE id IN ({','.join(str(row_id) for row_id, _ in rows)})")
                count += len(rows)

    return run


def relay(job: Job) -> Work:
    """What `manage.py relay_outbox --burst` runs."""
    project.setup_with_tables(job, STREAMS={STREAM: {}})
    from django_redis_bus import bus
    from django_redis_bus.models import OutboxEvent
    from django_redis_bus.outbox import rows
    from django_redis_bus.outbox.relay import Relay, RelayOptions
    from django_redis_bus.runtime.stopping import Stopping

    messages = [
        bus.message(STREAM, order(n), key=key_of(n), subject=key_of(n), type="bench.order") for n in range(job.events)
    ]
    begun_ms = rows.now_ms() - job.events
    for at in range(0, job.events, PER_MS):  # as saves leave them behind: not all due at one moment
        rows.store("default", messages[at : at + PER_MS], using="default", moment_ms=begun_ms + at // PER_MS)
    options = RelayOptions(batch=job.batch, burst=True)

    def run() -> int:
        Relay(["default"], options, Stopping(20.0)).run()
        return OutboxEvent.objects.filter(state=OutboxEvent.State.SENT).count()

    return run
