"""Idempotent batch handlers get the events that have not been handled, and settle each for itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from django_redis_bus.core.events import Event
from django_redis_bus.inbox import Inbox
from django_redis_bus.models import InboxEvent
from tests.app.models import Tag
from tests.middleware.examples import event

pytestmark = pytest.mark.databases(transaction=True)

MakeInbox = Callable[..., Inbox]


def events(*ids: str) -> list[Event[Any]]:
    return [event(id=each) for each in ids]


class Batches:
    """A batch handler that notes what it gets, and fails for these ids."""

    def __init__(self, database: str, *failing: str) -> None:
        self.got: list[list[str]] = []
        self.failing = set(failing)
        self._database = database

    def __call__(self, events: list[Event[Any]]) -> list[Exception | None] | None:
        self.got.append([each.id for each in events])
        good = [each for each in events if each.id not in self.failing]
        Tag.objects.using(self._database).bulk_create([Tag(name=each.id) for each in good])
        if not self.failing:
            return None
        return [ValueError(each.id) if each.id in self.failing else None for each in events]

    __name__ = __qualname__ = "batches"


@pytest.fixture
def known(database: str) -> Callable[[], list[str]]:
    """The ids of the known events."""
    return lambda: sorted(InboxEvent.objects.using(database).values_list("event_id", flat=True))


def test_a_batch_is_handled_at_once(inbox: MakeInbox, known: Any, database: str) -> None:
    handler = Batches(database)
    run = inbox().once_each(handler)
    with CaptureQueriesContext(connections[database]) as queries:
        assert run(events("c", "a", "b")) is None
    assert handler.got == [["c", "a", "b"]]
    assert known() == ["a", "b", "c"]
    assert sum("inboxevent" in query["sql"] for query in queries) == 1


def test_what_was_handled_is_left_out(inbox: MakeInbox, known: Any, database: str) -> None:
    handler = Batches(database)
    run = inbox().once_each(handler)
    run(events("a", "c"))
    assert run(events("e", "d", "c", "b", "a")) is None
    assert handler.got == [["a", "c"], ["e", "d", "b"]]
    assert known() == ["a", "b", "c", "d", "e"]
    # And with nothing left there is no call
    assert run(events("a", "e")) is None
    assert len(handler.got) == 2


def test_an_event_that_is_in_a_batch_twice_is_given_once(inbox: MakeInbox, known: Any, database: str) -> None:
    handler = Batches(database)
    inbox().once_each(handler)(events("a", "b", "a"))
    assert handler.got == [["a", "b"]]
    assert known() == ["a", "b"]


def test_failures_are_told_of_their_events_and_run_again(inbox: MakeInbox, known: Any, database: str) -> None:
    handler = Batches(database, "b", "d")
    run = inbox().once_each(handler)
    said = run(events("a", "b", "c", "d"))
    assert [str(error) if error else None for error in said or ()] == [None, "b", None, "d"]
    assert known() == ["a", "c"]
    # When they come again, with some that were handled among them
    handler.failing = {"d"}
    said = run(events("d", "c", "b", "a"))
    assert [str(error) if error else None for error in said or ()] == ["d", None, None, None]
    assert handler.got[1] == ["d", "b"]
    assert known() == ["a", "b", "c"]
    assert sorted(tag.name for tag in Tag.objects.using(database).all()) == ["a", "b", "c"]


def test_raising_rolls_all_back(inbox: MakeInbox, known: Any, database: str) -> None:
    handler = Batches(database)

    def fail(events: list[Event[Any]]) -> None:
        handler(events)
        raise ValueError("all")

    with pytest.raises(ValueError, match=r"^all$") as caught:
        inbox().once_each(fail)(events("a", "b"))
    assert (caught.value.__context__, known()) == (None, [])
    # also where some were known before
    inbox().once_each(handler)(events("a"))
    with pytest.raises(ValueError, match=r"^all$") as caught:
        inbox().once_each(fail)(events("a", "b"))
    assert (caught.value.__context__, known()) == (None, ["a"])
    assert Tag.objects.using(database).count() == 1


@pytest.mark.parametrize("answer", [[None], [None, 5], 7], ids=str)
def test_an_answer_that_says_nothing_leaves_nothing(inbox: MakeInbox, known: Any, answer: Any) -> None:
    with pytest.raises(TypeError, match=r"batch handler shop\.handlers\.charge"):
        inbox().once_each(lambda events: answer)(events("a", "b"))
    assert known() == []


def test_a_large_batch(inbox: MakeInbox, known: Any, database: str) -> None:
    handler = Batches(database, *(f"{number}" for number in range(0, 1_000, 3)))
    run = inbox().once_each(handler)
    said = run(events(*(f"{number}" for number in range(1_000))))
    assert sum(error is not None for error in said or ()) == 334
    assert len(known()) == 666
    # When it comes again, those that failed run
    handler.failing = set()
    run(events(*(f"{number}" for number in range(1_000))))
    assert len(handler.got[1]) == 334
    assert len(known()) == Tag.objects.using(database).count() == 1_000
