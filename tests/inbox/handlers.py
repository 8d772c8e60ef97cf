"""Idempotent handlers of the consumer processes that test_killed.py kills; no other process imports this."""

from __future__ import annotations

import time
from typing import Any

from django_redis_bus import Event, Retry, Stream
from tests.app.models import Tag

EFFECTS = Stream("events:effects")
SOON = Retry(max_attempts=50, max_crashes=50, backoff_s=0.05, factor=1)


@EFFECTS.handler(group="one", idempotent=True, retry=SOON)
def one(event: Event[Any]) -> None:
    Tag.objects.create(name=f"one {event.data}")
    time.sleep(0.002)


@EFFECTS.handler(group="many", idempotent=True, retry=SOON, batch=10)
def many(events: list[Event[Any]]) -> None:
    for event in events:
        Tag.objects.create(name=f"many {event.data}")
        time.sleep(0.002)
