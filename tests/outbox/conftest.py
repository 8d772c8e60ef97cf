from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Thread
from time import monotonic
from typing import Any

import pytest
import redis

from django_redis_bus import bus
from django_redis_bus.models import OutboxEvent
from django_redis_bus.outbox import rows
from django_redis_bus.outbox.carrying import Carrier
from django_redis_bus.outbox.relay import Relay, RelayOptions
from django_redis_bus.outbox.rows import Row, now_ms
from django_redis_bus.runtime.stopping import Stopping
from tests.servers import Server

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


def carry(carrier: Carrier) -> float:
    """Carry until it wants to wait; return for how long."""
    while not (wait_s := carrier.turn()):
        pass
    return wait_s


@pytest.fixture
def own(own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str) -> Callable[..., Server]:
    """A factory of a server of this test's own that the bus uses."""

    def make(*, settings: dict[str, Any] | None = None, **options: Any) -> Server:
        server = own_server(**options)
        bus_settings(LOCATION=server.url, CIRCUIT={"failures": 2, "cooldown": 0.05}, **(settings or {}))
        return server

    return make


Start = Callable[..., "Running"]


class Running:
    """A relay that runs in a thread of this test."""

    def __init__(self, databases: list[str], **options: Any) -> None:
        self.stopping = Stopping(5)
        self.relay = Relay(databases, RelayOptions(**options), self.stopping)
        self._thread = Thread(target=self.relay.run)
        self._thread.start()

    def stop(self) -> float:
        """Ask it to stop; return how long that took in seconds."""
        before = monotonic()
        self.stopping.request()
        self._thread.join(10)
        assert not self._thread.is_alive()
        return monotonic() - before


@pytest.fixture
def start(database: str) -> Iterator[Start]:
    """A factory of running relays of this test's database: start(**options) -> Running."""
    made: list[Running] = []

    def make(*databases: str, **options: Any) -> Running:
        made.append(Running(list(databases) or [database], **options))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def burst(*databases: str, **options: Any) -> Relay:
    made = Relay(databases, RelayOptions(burst=True, **options), Stopping(5))
    made.run()
    return made
