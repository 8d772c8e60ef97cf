"""Of two copies of an event that run at the same time, one commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event as Flag
from typing import Any

import pytest
from django.db import OperationalError, connections

from django_redis_bus.core.events import Event
from django_redis_bus.inbox import Inbox
from django_redis_bus.models import InboxEvent
from tests.app.models import Tag
from tests.middleware.examples import event

pytestmark = pytest.mark.databases(transaction=True)

PATIENCE_S = 15.0
Start = Callable[..., "Future[Any]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Call something in a thread with connections of its own."""

    def run(fn: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return fn(*arguments)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        yield lambda fn, *arguments: pool.submit(run, fn, *arguments)


class Gate:
    """A handler that writes, then waits in its first run until it is told how to end."""

    def __init__(self, database: str) -> None:
        self.runs = 0
        self.fails = False
        self._database = database
        self._inside, self._go = Flag(), Flag()

    def one(self, event: Event[Any]) -> None:
        self.runs += 1
        Tag.objects.using(self._database).create(name=str(self.runs))
        if self.runs == 1:
            self._inside.set()
            assert self._go.wait(PATIENCE_S)
            if self.fails:
                raise ValueError("the first fails")

    def many(self, events: list[Event[Any]]) -> None:
        self.one(events[0])

    def wait_inside(self) -> None:
        assert self._inside.wait(PATIENCE_S)

    def open(self, *, fails: bool = False) -> None:
        self.fails = fails
        self._go.set()


@pytest.fixture(params=["one", "many"])
def copies(
    request: pytest.FixtureRequest, inbox: Callable[..., Inbox], database: str
) -> tuple[Gate, Callable[[], Any]]:
    """A gate, and what runs it for one and the same event, alone or as one of a batch."""
    gate = Gate(database)
    if request.param == "one":
        once = inbox().once(gate.one)
        return gate, lambda: once(event())
    each = inbox().once_each(gate.many)
    return gate, lambda: each([event(), event(id="e-2")])


def test_the_second_waits_for_the_first_and_finds_it_done(
    copies: tuple[Gate, Callable[[], Any]], start: Start, database: str
) -> None:
    gate, run = copies
    # Given a first copy in its handler
    first = start(run)
    gate.wait_inside()
    # When a second begins, then it does not run beside it
    second = start(run)
    with pytest.raises(TimeoutError):
        second.result(0.4)
    assert gate.runs == 1
    # And when the first has committed, the second has nothing to do
    gate.open()
    first.result(PATIENCE_S)
    second.result(PATIENCE_S)
    assert gate.runs == 1
    assert [tag.name for tag in Tag.objects.using(database).all()] == ["1"]


@pytest.mark.databases("default", transaction=True)
def test_sqlite_waits_in_its_default_transaction_mode_too(
    inbox: Callable[..., Inbox], start: Start, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    # Given transactions that take no lock when they begin
    monkeypatch.delitem(connections.settings[database]["OPTIONS"], "transaction_mode")
    gate = Gate(database)
    run = inbox().once(gate.one)
    first = start(run, event())
    gate.wait_inside()
    second = start(run, event())
    with pytest.raises(TimeoutError):
        second.result(0.4)
    gate.open()
    first.result(PATIENCE_S)
    second.result(PATIENCE_S)
    assert gate.runs == 1


def test_the_second_runs_when_the_first_rolls_back(
    copies: tuple[Gate, Callable[[], Any]], start: Start, database: str
) -> None:
    gate, run = copies
    first = start(run)
    gate.wait_inside()
    second = start(run)
    gate.open(fails=True)
    with pytest.raises(ValueError, match="the first fails"):
        first.result(PATIENCE_S)
    second.result(PATIENCE_S)
    assert [tag.name for tag in Tag.objects.using(database).all()] == ["2"]


def test_many_copies_at_once_have_one_effect(inbox: Callable[..., Inbox], start: Start, database: str) -> None:
    run = inbox().once(lambda event: Tag.objects.using(database).create(name=event.id) and None)

    def again(event_id: str) -> None:
        while True:  # as the bus does, after a deadlock
            try:
                return run(event(id=event_id))
            except OperationalError:
                continue

    for future in [start(again, f"e-{number % 10}") for number in range(80)]:
        future.result(PATIENCE_S)
    assert sorted(tag.name for tag in Tag.objects.using(database).all()) == [f"e-{number}" for number in range(10)]
    assert InboxEvent.objects.using(database).count() == 10


def test_batches_that_overlap_have_each_effect_once(inbox: Callable[..., Inbox], start: Start, database: str) -> None:
    def write(events: list[Event[Any]]) -> None:
        Tag.objects.using(database).bulk_create([Tag(name=each.id) for each in events])

    run = inbox().once_each(write)

    def again(first: int) -> None:
        while True:
            try:
                run([event(id=f"e-{number}") for number in range(first, first + 20)])
                return
            except OperationalError:
                continue

    # Given batches of 20 that begin at each 5th event, and in no order
    for future in [start(again, first * 5) for first in (3, 0, 5, 2, 4, 1, 0, 5, 3)]:
        future.result(PATIENCE_S)
    names = [tag.name for tag in Tag.objects.using(database).all()]
    assert sorted(names) == sorted(f"e-{number}" for number in range(45))
