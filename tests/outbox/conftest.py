from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import redis

from django_redis_bus import bus
from django_redis_bus.models import OutboxEvent
from django_redis_bus.outbox import rows
from django_redis_bus.outbox.carrying import Carrier
from django_redis_bus.outbox.rows import Row, now_ms
from django_redis_bus.runtime.stopping import Stopping

Put = Callable[..., list[Row]]


@pytest.fixture
def put(database: str, declare: Callable[..., Any]) -> Put:
    """A factory of committed rows, as a process leaves them that dies after its commit and its hold.

    put(count=1, keys=[…], topic="events:order", bus="default", due_in_ms=0, **values of columns) -> rows
    """
    declared: dict[str, Any] = {}

    def make(
        count: int = 1,
        *,
        keys: Sequence[str | None] = (None,),
        topic: str = "events:order",
        due_in_ms: int = 0,
        state: int = rows.PENDING,
        **values: Any,
    ) -> list[Row]:
        if topic not in declared:
            declared[topic] = declare(topic)
        messages = [bus.message(topic, n, key=keys[n % len(keys)]) for n in range(count)]
        made = rows.store("default", messages, using=database, moment_ms=now_ms() + due_in_ms, state=state)
        if values:
            OutboxEvent.objects.using(database).filter(id__in=[row.id for row in made]).update(**values)
        return made

    return make


@pytest.fixture
def carrier(database: str) -> Carrier:
    """What carries rows of this test's database to the default bus."""
    return Carrier(database, "default", batch=500, stopping=Stopping(5))


class Outbox:
    """The rows of a database, and what became of them."""

    def __init__(self, alias: str, client: redis.Redis, prefix: str) -> None:
        self.alias = alias
        self._client = client
        self._prefix = prefix

    @property
    def rows(self) -> Any:
        return OutboxEvent.objects.using(self.alias)

    def row(self, row: Row) -> OutboxEvent:
        found: OutboxEvent = self.rows.get(id=row.id)
        return found

    def states(self) -> list[str]:
        """Return the states of the rows, by their ids."""
        return [OutboxEvent.State(state).name for state in self.rows.order_by("id").values_list("state", flat=True)]

    def sent(self, topic: str = "events:order") -> list[str]:
        """Return the ids of the events in a stream."""
        return [fields[b"ce_id"].decode() for _, fields in self._client.xrange(f"{self._prefix}:{topic}")]


@pytest.fixture
def outbox(database: str, redis_client: redis.Redis, prefix: str) -> Outbox:
    return Outbox(database, redis_client, prefix)


def ids(made: Sequence[Row]) -> list[str]:
    """Return the ids of the events that rows hold."""
    return [row.message.event_id for row in made]
