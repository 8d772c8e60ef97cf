"""Saves of a model, each with another way to tell of them. Each work returns how long every save took.

`by_hand` is the floor: what one would write in a Django project without the bus.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import redis

from . import project
from .floor import Work, envelope
from .job import STREAM, Job

WARM_UP = 20
NEVER = 1_000_000


def plain(job: Job) -> Work:
    """No bus is installed."""
    project.setup_without_bus(job)
    return saving(job)


def unpublished(job: Job) -> Work:
    """The bus is installed, with a publisher of another model."""
    project.setup_with_tables(job, **publishers("outbox", model="Other"))
    return saving(job)


def by_hand(job: Job) -> Work:
    """A receiver with on_commit and XADD."""
    project.setup_without_bus(job)
    from django.db import transaction

    client: Any = redis.Redis.from_url(job.url)
    stream = f"{job.prefix}:{STREAM}"

    def announce(instance: Any, **kwargs: Any) -> None:
        fields = fields_of(instance)
        transaction.on_commit(lambda: client.xadd(stream, fields))

    listen(announce)
    return saving(job, published=True)


def row_by_hand(job: Job) -> Work:
    """A receiver that writes a row; the save and the row are one transaction."""
    project.setup_without_bus(job)
    listen(write_row)
    return saving(job, atomic=True)


def second_row_by_hand(job: Job) -> Work:
    """A receiver that writes a row after the save has committed."""
    project.setup_without_bus(job)
    listen(write_row)
    return saving(job)


def on_commit(job: Job) -> Work:
    project.setup_with_tables(job, **publishers("on_commit"))
    return saving(job, published=True)


def outbox(job: Job) -> Work:
    project.setup_with_tables(job, **publishers("outbox"))
    return saving(job, published=True, state="sent")


def outbox_left(job: Job) -> Work:
    """Rows that are left to the relay."""
    project.setup_with_tables(job, **publishers("outbox"), OUTBOX={"fast_path": False})
    return saving(job, state="pending")


# --- Redis is frozen before the first save


def frozen_on_commit(job: Job) -> Work:
    return frozen(job, "on_commit")


def frozen_outbox(job: Job) -> Work:
    return frozen(job, "outbox")


def frozen(job: Job, delivery: str) -> Work:
    """The saves made while the circuit is closed, which it is kept here."""
    project.setup_with_tables(job, **publishers(delivery), CIRCUIT={"failures": NEVER})
    ready()
    return Saves(job, state="pending")


def open_on_commit(job: Job) -> Work:
    return opened(job, "on_commit")


def open_outbox(job: Job) -> Work:
    return opened(job, "outbox")


def opened(job: Job, delivery: str) -> Work:
    """The saves made while the circuit is open; not those that opened it, nor the probes."""
    project.setup_with_tables(job, **publishers(delivery))
    ready()
    return SavesWhileOpen(job, state="pending")


# --- pieces


def publishers(delivery: str, model: str = "Order") -> dict[str, object]:
    """Return settings of a bus: PUBLISHERS, and STREAMS to publish to."""
    fields = ["id", "number", "status", "customer", "total", "created"] if model == "Order" else ["number"]
    entry = {"MODEL": f"benchmarks.{model}", "TOPIC": STREAM, "FIELDS": fields, "DELIVERY": delivery}
    return {"PUBLISHERS": {"saves": entry}, "STREAMS": {STREAM: {}}}


def fields_of(order: Any) -> dict[str, str]:
    """Return the fields of an entry, the same as the bus writes."""
    data = {
        "id": order.pk,
        "number": order.number,
        "status": order.status,
        "customer": order.customer,
        "total": str(order.total),
        "created": order.created.isoformat(),
    }
    return {**envelope(data), "ce_subject": str(order.pk), "ce_partitionkey": str(order.pk)}


def write_row(instance: Any, **kwargs: Any) -> None:
    """Write what a relay by hand would send."""
    from .models import Waiting

    Waiting.objects.create(data=json.dumps(fields_of(instance)).encode())


def listen(receiver: Callable[..., None]) -> None:
    from django.db.models.signals import post_save

    from .models import Order

    post_save.connect(receiver, sender=Order, weak=False)


def saver(*, atomic: bool) -> Callable[[int], float]:
    """Return what saves one order, and returns how long that took."""
    from django.db import transaction

    from .models import Order

    def save(number: int) -> float:
        order = Order(number=f"2026-{number:08d}", customer=number % 997, total=Decimal("129.90"))
        begun = time.perf_counter()
        order.save()
        return time.perf_counter() - begun

    def save_in_transaction(number: int) -> float:
        order = Order(number=f"2026-{number:08d}", customer=number % 997, total=Decimal("129.90"))
        begun = time.perf_counter()
        with transaction.atomic():
            order.save()
        return time.perf_counter() - begun

    return save_in_transaction if atomic else save


def ready() -> None:
    """Have the database connected and everything imported, and Redis not asked."""
    from django_redis_bus import bus

    save = saver(atomic=False)
    with bus.muted():
        for number in range(WARM_UP):
            save(number)


def saving(job: Job, *, atomic: bool = False, **expected: Any) -> Work:
    """Return the work: saves, one after the other, warmed up."""
    work = Saves(job, atomic=atomic, **expected)
    work.save_some(WARM_UP)
    return work


class Saves:
    """Work: `job.events` saves.

    Args:
        published: there has to be an entry per save in the end.
        state: there has to be a row of the outbox per save, of this state.
    """

    def __init__(self, job: Job, *, atomic: bool = False, published: bool = False, state: str = "") -> None:
        self.job = job
        self.save = saver(atomic=atomic or job.atomic)
        self.saved = 0
        self._published = published
        self._state = state

    def __call__(self) -> list[float]:
        return self.save_some(self.job.events)

    def save_some(self, count: int) -> list[float]:
        delays = [self.save(self.saved + number) for number in range(count)]
        self.saved += count
        return delays

    def check(self) -> None:
        """Raise RuntimeError if anything is missing, or there is too much."""
        if self._state:
            self._check_rows()
        if self._state == "pending":
            return  # Redis may be frozen
        with redis.Redis.from_url(self.job.url) as client:
            entries = client.xlen(f"{self.job.prefix}:{STREAM}")
        if entries != self._published * self.saved:
            raise RuntimeError(f"{entries} entries after {self.saved} saves")

    def _check_rows(self) -> None:
        from django_redis_bus.models import OutboxEvent

        rows = OutboxEvent.objects.all()
        wanted = rows.filter(state=OutboxEvent.State[self._state.upper()])
        if not wanted.count() == rows.count() == self.saved:
            raise RuntimeError(f"{wanted.count()} of {rows.count()} rows are {self._state} after {self.saved} saves")


class SavesWhileOpen(Saves):
    """The same, and those are not counted for which Redis was asked."""

    def __call__(self) -> list[float]:
        from django_redis_bus import bus

        delays: list[float] = []
        while len(delays) < self.job.events:
            failures = bus.circuit.failures
            some = self.save_some(1)
            if bus.circuit.state == "open" and bus.circuit.failures == failures:
                delays += some
        return delays
