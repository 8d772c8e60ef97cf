"""An idempotent handler has its effect once per event, on each database."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, ProgrammingError, connections, transaction
from django.test.utils import CaptureQueriesContext

from django_redis_bus import ConfigurationError
from django_redis_bus.core.events import Event
from django_redis_bus.core.policy import Reject, Retry
from django_redis_bus.inbox import Inbox
from django_redis_bus.models import InboxEvent
from tests.app.models import Product, Tag
from tests.middleware.examples import event

pytestmark = pytest.mark.databases(transaction=True)

MakeInbox = Callable[..., Inbox]


@pytest.fixture
def tag(database: str) -> Callable[[Event[Any]], None]:
    """A handler whose effect is a row."""

    def handle(event: Event[Any]) -> None:
        Tag.objects.using(database).create(name=event.type)

    return handle


@pytest.fixture
def effects(database: str) -> Callable[[], tuple[int, int]]:
    """How many effects there are, and how many events are known."""
    return lambda: (Tag.objects.using(database).count(), InboxEvent.objects.using(database).count())


def test_an_event_that_comes_twice_has_one_effect(inbox: MakeInbox, tag: Any, effects: Any) -> None:
    run = inbox().once(tag)
    run(event())
    run(event(attempt=2, entry_id="2-0"))
    assert effects() == (1, 1)


def test_what_is_known_of_an_event(inbox: MakeInbox, tag: Any, database: str) -> None:
    inbox().once(tag)(event(id="e-1"))
    row = InboxEvent.objects.using(database).get()
    assert re.fullmatch("[0-9a-f]{32}", row.digest)
    assert (row.group, row.event_id) == ("billing", "e-1")
    assert row.handled_ms > 1_700_000_000_000


def test_the_digest_is_the_same_in_each_version(inbox: MakeInbox, tag: Any, database: str) -> None:
    # Given an event with letters that only some versions of Python know to be printable
    inbox().once(tag)(event(id="ünï-\U0001fae8-\U0001faea"))
    # Then what was written by another version is found
    assert InboxEvent.objects.using(database).get().digest == "7771d5029316423e1718915ec8ae38d0"


@pytest.mark.parametrize("error", [ValueError("broken"), Retry(after=1), Reject("never"), SystemExit(1)])
def test_what_raises_leaves_nothing_and_runs_again(
    inbox: MakeInbox, tag: Any, effects: Any, error: BaseException
) -> None:
    errors = [error]

    def handle(event: Event[Any]) -> None:
        tag(event)
        if errors:
            raise errors.pop()

    run = inbox().once(handle)
    with pytest.raises(type(error)) as caught:
        run(event())
    assert caught.value is error
    assert effects() == (0, 0)
    run(event())
    assert effects() == (1, 1)


@pytest.mark.parametrize(
    "other",
    [{"id": "e-2"}, {"source": "elsewhere"}, {"topic": "events:other"}, {"id": "-1", "source": "shope"}],
    ids=str,
)
def test_an_event_is_known_by_its_stream_source_and_id(
    inbox: MakeInbox, tag: Any, effects: Any, other: dict[str, str]
) -> None:
    run = inbox().once(tag)
    run(event())
    run(event(**other))
    assert effects() == (2, 2)


@pytest.mark.parametrize("other", [{"group": "shipping"}, {"bus": "eu"}], ids=str)
def test_each_group_handles_it_once(inbox: MakeInbox, tag: Any, effects: Any, other: dict[str, str]) -> None:
    inbox().once(tag)(event())
    inbox(**other).once(tag)(event())
    assert effects() == (2, 2)


def test_parts_cannot_be_moved_from_one_to_the_next(inbox: MakeInbox, tag: Any, effects: Any) -> None:
    for source, event_id in [("a", "b', 'c"), ("a', 'b", "c"), ('a"', "b"), ("a", '"b'), ("a, b", "c"), ("a", "b, c")]:
        inbox().once(tag)(event(source=source, id=event_id))
    assert effects() == (6, 6)


def test_a_foreign_event_is_known_by_its_entry(inbox: MakeInbox, tag: Any, effects: Any) -> None:
    run = inbox().once(tag)
    for entry_id in ("1-0", "1-0", "2-0"):
        run(event(id="", source="", entry_id=entry_id, foreign=True))
    assert effects() == (2, 2)


def test_long_ids_are_told_apart(inbox: MakeInbox, tag: Any, effects: Any, database: str) -> None:
    run = inbox(group="g" * 300).once(tag)
    run(event(id="x" * 1_000 + "1"))
    run(event(id="x" * 1_000 + "2"))
    assert effects() == (2, 2)
    assert {len(row.event_id) for row in InboxEvent.objects.using(database)} == {255}


async def coroutine() -> None: ...


@pytest.mark.parametrize("answer", [lambda: ValueError("x"), coroutine], ids=["exception", "coroutine"])
def test_what_is_no_success_leaves_nothing(inbox: MakeInbox, tag: Any, effects: Any, answer: Any) -> None:
    def handle(event: Event[Any]) -> object:
        tag(event)
        return answer()

    with pytest.raises(TypeError, match=r"handler shop\.handlers\.charge"):
        inbox().once(handle)(event())
    assert effects() == (0, 0)


def test_what_it_returns_else_does_not_matter(inbox: MakeInbox, effects: Any) -> None:
    assert inbox().once(lambda event: 5)(event()) is None  # type: ignore[func-returns-value]
    assert effects() == (0, 1)


def test_a_skipped_event_is_told_at_debug(inbox: MakeInbox, tag: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "django_redis_bus.consumer")
    run = inbox().once(tag)
    run(event(id="a\nb"))
    assert caplog.messages == []
    run(event(id="a\nb"))
    assert caplog.messages == ["shop.handlers.charge: event a�b has been handled already"]


def test_it_costs_one_statement(inbox: MakeInbox, database: str) -> None:
    run = inbox().once(lambda event: None)
    run(event(id="1"))
    for event_id in ("1", "2"):
        with CaptureQueriesContext(connections[database]) as queries:
            run(event(id=event_id))
        said = [query["sql"] for query in queries if query["sql"] not in ("BEGIN", "BEGIN IMMEDIATE", "COMMIT")]
        assert len(said) == 1
        assert said[0].startswith("INSERT ")


# --- errors of the database


def test_errors_of_the_handlers_own_statements_are_its_own(inbox: MakeInbox, effects: Any, database: str) -> None:
    def integrity(event: Event[Any]) -> None:
        Product.objects.using(database).create(sku="a")
        Product.objects.using(database).create(sku="a")

    def wrong(event: Event[Any]) -> None:
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")

    with pytest.raises(IntegrityError):
        inbox().once(integrity)(event())
    with pytest.raises((OperationalError, ProgrammingError), match="no_such_table"):
        inbox().once(wrong)(event())
    assert effects() == (0, 0)


def test_a_missing_table_is_named_with_its_mend(inbox: MakeInbox, tag: Any, database: str) -> None:
    with connections[database].schema_editor() as editor:
        editor.delete_model(InboxEvent)
    try:
        with pytest.raises(ConfigurationError, match=f"manage.py migrate --database {database}") as caught:
            inbox().once(tag)(event())
        assert isinstance(caught.value.__cause__, DatabaseError)
    finally:
        with connections[database].schema_editor() as editor:
            editor.create_model(InboxEvent)
    assert not Tag.objects.using(database).exists()


def test_another_error_of_the_insert_stays_what_it_is(inbox: MakeInbox, tag: Any, database: str) -> None:
    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("INSERT") and "inboxevent" in sql:
            raise OperationalError("deadlock detected")
        return execute(sql, *rest)

    with connections[database].execute_wrapper(refuse), pytest.raises(OperationalError, match=r"^deadlock detected$"):
        inbox().once(tag)(event())


# --- transactions around it


def test_inside_a_transaction_it_is_a_part_of_it(inbox: MakeInbox, tag: Any, effects: Any, database: str) -> None:
    run = inbox().once(tag)
    with transaction.atomic(using=database):
        run(event())
        assert effects() == (1, 1)
        transaction.set_rollback(True, using=database)
    assert effects() == (0, 0)
    with transaction.atomic(using=database):
        run(event())
    assert effects() == (1, 1)


class ToOther:
    """A router that writes everything to the other database."""

    def db_for_write(self, model: object, **hints: object) -> str:
        return "other"


@pytest.mark.databases("default", also=["other"], transaction=True)
def test_without_using_the_routers_are_asked(inbox: MakeInbox, settings: Any) -> None:
    inbox(using=None).once(lambda event: None)(event())
    settings.DATABASE_ROUTERS = [f"{__name__}.ToOther"]
    inbox(using=None).once(lambda event: None)(event())
    assert [InboxEvent.objects.using(alias).count() for alias in ("default", "other")] == [1, 1]
