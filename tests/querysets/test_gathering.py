"""Events of one bulk write leave together, and none of what was rolled back in the midst of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.signals import post_delete
from django.test.utils import CaptureQueriesContext

from django_redis_bus.delivery import Batch
from django_redis_bus.models import OutboxEvent
from tests.app.models import Parcel, Stamp

pytestmark = pytest.mark.django_db(databases=["default", "other"])

DELIVERIES = ["immediate", "on_commit", "outbox"]


@pytest.fixture
def both(bus_settings: Any) -> Callable[..., None]:
    """Configure publishers of Parcel and Stamp: both(Parcel="outbox", Stamp="immediate")."""

    def configure(**deliveries: str) -> None:
        entry = {"TOPIC": "events:order", "ACTIONS": ["created", "updated", "deleted"]}
        publishers = {
            name: entry | {"MODEL": f"tests_app.{name}", "DELIVERY": delivery} for name, delivery in deliveries.items()
        }
        bus_settings(STREAMS={"events:order": {}}, PUBLISHERS=publishers)

    return configure


@contextmanager
def on_delete(function: Callable[..., None]) -> Iterator[None]:
    post_delete.connect(function, sender=Parcel, weak=False)
    try:
        yield
    finally:
        post_delete.disconnect(function, sender=Parcel)


def told(types: Callable[[], list[str]]) -> list[str]:
    return sorted([event.type.rpartition(".")[2] for event in OutboxEvent.objects.all()] + types())


@pytest.mark.parametrize("delivery", DELIVERIES)
class TestSavepointsWithin:
    @pytest.fixture(autouse=True)
    def parcel(self, both: Callable[..., None], delivery: str) -> None:
        Parcel.plain.create()
        both(Parcel=delivery, Stamp=delivery)

    def test_what_is_rolled_back_is_not_told(self, types: Callable[[], list[str]], delivery: str) -> None:
        def stamp_in_vain(**kwargs: Any) -> None:
            with transaction.atomic():
                with transaction.atomic():
                    Stamp.objects.bulk_create([Stamp(parcel_id=1)])
                Parcel.plain.create()
                transaction.set_rollback(True)

        with transaction.atomic(), on_delete(stamp_in_vain):
            Parcel.objects.all().delete()
        # The test's own transaction has not ended.
        assert told(types) == ([] if delivery == "on_commit" else ["deleted"])

    def test_what_is_not_rolled_back_is(self, types: Callable[[], list[str]], delivery: str) -> None:
        def put_back(**kwargs: Any) -> None:
            with transaction.atomic():
                with transaction.atomic():
                    Parcel.plain.create()
                Parcel.plain.create()
            Parcel.plain.create()

        with transaction.atomic(), on_delete(put_back):
            Parcel.objects.all().delete()
        assert told(types) == ([] if delivery == "on_commit" else ["created", "created", "created", "deleted"])

    def test_no_mark_is_left(self, delivery: str) -> None:
        def put_back(**kwargs: Any) -> None:
            with transaction.atomic():
                Parcel.plain.create()

        with transaction.atomic(), on_delete(put_back):
            Parcel.objects.all().delete()
        assert all(isinstance(function.__self__, Batch) for _, function, _ in connection.run_on_commit)


def test_another_database_goes_its_own_way(both: Callable[..., None], types: Callable[[], list[str]]) -> None:
    # Given a receiver that writes to another database, in a transaction of its own
    Parcel.plain.create()
    both(Parcel="outbox")

    def elsewhere(using: str, **kwargs: Any) -> None:
        if using == "default":
            with transaction.atomic(using="other"):
                Parcel.plain.using("other").create()
                Parcel.objects.using("other").update(status="sent")
                transaction.set_rollback(True, using="other")
            Parcel.plain.using("other").create()

    # When that is rolled back there, and the first transaction goes on
    with on_delete(elsewhere):
        Parcel.objects.all().delete()
    # Then the events are where their rows are
    assert [event.type for event in OutboxEvent.objects.all()] == ["tests_app.parcel.deleted"]
    assert [event.type for event in OutboxEvent.objects.using("other").all()] == ["tests_app.parcel.created"]


def test_publishers_of_several_deliveries(bus_settings: Any) -> None:
    # Given two publishers of each row, one of which writes to the outbox
    entry = {"MODEL": "tests_app.Parcel", "TOPIC": "events:order"}
    both = {"a": entry | {"DELIVERY": "outbox"}, "b": entry | {"DELIVERY": "on_commit"}}
    bus_settings(STREAMS={"events:order": {}}, PUBLISHERS=both)
    # When many rows are written at once
    with transaction.atomic(), CaptureQueriesContext(connection) as captured:
        Parcel.objects.bulk_create([Parcel() for _ in range(9)])
    # Then the rows of the outbox are still one statement
    assert len([q for q in captured if q["sql"].startswith("INSERT")]) == 2
    assert OutboxEvent.objects.count() == 9


def test_an_exception_takes_all_with_it(both: Callable[..., None], types: Callable[[], list[str]]) -> None:
    Parcel.plain.create()
    both(Parcel="immediate")

    def refuse(**kwargs: Any) -> None:
        raise RuntimeError("refused")

    with on_delete(refuse), pytest.raises(RuntimeError), transaction.atomic():
        Parcel.objects.all().delete()
    assert types() == []
