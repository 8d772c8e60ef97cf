"""PublishingQuerySet on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from django.db import connections, transaction
from django.db.models import Count, F, Value
from django.db.models.functions import Concat
from django.test.utils import CaptureQueriesContext

from django_redis_bus.models import OutboxEvent
from django_redis_bus.outbox import table
from django_redis_bus.publishers import bulk
from django_redis_bus.querysets import PublishingQuerySet
from tests.app.models import Customer, Express, Parcel, Product, Seat, Stamp

from .conftest import Configure, Queries

Data = Callable[[], list[Any]]


def parcel(database: str, **fields: Any) -> Parcel:
    return Parcel.plain.using(database).create(**fields)


def statements(captured: CaptureQueriesContext) -> list[str]:
    return [query["sql"].split()[0] for query in captured]


class TestUpdate:
    def test_rows_and_changes(self, database: str, publisher: Configure, data: Data, queries: Queries) -> None:
        made = [parcel(database, weight=n) for n in range(3)]
        publisher(FIELDS=["id", "status", "weight"], CHANGES=True)
        with queries(3, using=database):
            count = Parcel.objects.using(database).filter(status="new").update(status="sent", weight=F("weight") + 1)
        assert count == 3
        assert data() == [
            {
                "id": made[n].pk, "status": "sent", "weight": f"{n + 1}.00",
                "changes": {
                    "status": {"old": "new", "new": "sent"},
                    "weight": {"old": f"{n}.00", "new": f"{n + 1}.00"},
                },
            }
            for n in range(3)
        ]  # fmt: skip

    def test_bytes(self, database: str, publisher: Configure, data: Data) -> None:
        parcel(database, seal=b"a")
        publisher(FIELDS=["seal"], CHANGES=True)
        Parcel.objects.using(database).update(seal=b"b")
        assert data() == [{"seal": "Yg==", "changes": {"seal": {"old": "YQ==", "new": "Yg=="}}}]

    def test_joins_and_aggregates(self, database: str, publisher: Configure, data: Data) -> None:
        ann = Customer.objects.using(database).create(name="Ann")
        a, b, _ = parcel(database, customer=ann), parcel(database, customer=ann), parcel(database)
        for _ in range(2):
            Stamp.objects.using(database).create(parcel=a)
        publisher(FIELDS=["id", "status"])
        rows = Parcel.objects.using(database)
        assert rows.filter(customer__name="Ann").update(status="sent") == 2
        assert rows.annotate(n=Count("stamps")).filter(n__gt=1).update(status="heavy") == 1
        assert rows.filter(stamps__value=1).distinct().update(status=Concat("status", Value("!"))) == 1
        assert [(each["id"], each["status"]) for each in data()] == [
            (a.pk, "sent"), (b.pk, "sent"), (a.pk, "heavy"), (a.pk, "heavy!"),
        ]  # fmt: skip

    def test_multi_table_children(self, database: str, publisher: Configure, data: Data) -> None:
        Express.plain.using(database).create(courier="x")
        publisher(MODEL="tests_app.Express", FIELDS=["status", "courier"], CHANGES=True)
        Express.objects.using(database).filter(status="new").update(status="sent", courier="y")
        [told] = data()
        assert told["changes"] == {"status": {"old": "new", "new": "sent"}, "courier": {"old": "x", "new": "y"}}

    def test_composite_keys(self, database: str, publisher: Configure, data: Data) -> None:
        for number in range(3):
            Seat.objects.using(database).create(row="a", number=number)
        publisher(MODEL="tests_app.Seat", FIELDS=["number", "taken"])
        PublishingQuerySet(Seat, using=database).filter(number__gt=0).update(taken=True)
        assert data() == [{"number": 1, "taken": True}, {"number": 2, "taken": True}]

    def test_another_key(self, database: str, publisher: Configure, data: Data) -> None:
        Product.objects.using(database).create(sku="a", stock=3)
        publisher(MODEL="tests_app.Product", FIELDS=["sku", "available"], CHANGES=True)
        PublishingQuerySet(Product, using=database).update(sku="b", reserved=1)
        changed = {"sku": {"old": "a", "new": "b"}, "available": {"old": 3, "new": 2}}
        assert data() == [{"sku": "b", "available": 2, "changes": changed}]

    @pytest.mark.databases("mariadb")
    def test_values_that_are_unique(
        self, database: str, publisher: Configure, data: Data, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Given rows in neighbouring slots, no two of which may be in one, and a database that updates in an order
        monkeypatch.setattr(bulk, "_ROWS", 2)
        for slot in range(5):
            parcel(database, slot=slot)
        publisher(FIELDS=["slot"], CHANGES=True)
        # When they all move up one, the last first
        Parcel.objects.using(database).order_by("-slot").update(slot=F("slot") + 1)
        # Then none is ever in the way of another, also not across parts
        assert [each["slot"] for each in data()] == [5, 4, 3, 2, 1]


class TestBulk:
    def test_create_and_update(self, database: str, publisher: Configure, data: Data, queries: Queries) -> None:
        publisher(FIELDS=["id", "status", "seen"], CHANGES=True)
        with queries(1, using=database):
            a, b = Parcel.objects.using(database).bulk_create([Parcel(status="a"), Parcel(status="b")])
        a.status = "c"
        with queries(3, using=database):
            assert Parcel.objects.using(database).bulk_update([a, b], ["status"]) == 2
        ids = {"id": a.pk, "seen": 7}, {"id": b.pk, "seen": 7}
        assert data() == [
            ids[0] | {"status": "a"},
            ids[1] | {"status": "b"},
            ids[0] | {"status": "c", "changes": {"status": {"old": "a", "new": "c"}}},
            ids[1] | {"status": "b", "changes": {}},
        ]


@pytest.mark.databases(transaction=True)
class TestCommitted:
    def test_one_transaction_and_one_batch_of_rows(self, database: str, publisher: Configure) -> None:
        # Given rows of which each makes an event in the outbox
        Parcel.plain.using(database).bulk_create([Parcel() for _ in range(60)])
        publisher(DELIVERY="outbox", FIELDS=["id", "status"])
        assert table.exists(database)
        # When all are updated
        with CaptureQueriesContext(connections[database]) as captured:
            Parcel.objects.using(database).update(status="sent")
        # Then their events are one statement of the same transaction
        done = statements(captured)
        assert done[: done.index("COMMIT")] == ["BEGIN", "SELECT", "UPDATE", "SELECT", "INSERT"]
        assert OutboxEvent.objects.using(database).count() == 60

    def test_what_is_rolled_back_leaves_nothing(self, database: str, publisher: Configure) -> None:
        parcel(database)
        publisher(DELIVERY="outbox")
        with transaction.atomic(using=database):
            with transaction.atomic(using=database):
                Parcel.objects.using(database).update(status="lost")
                Parcel.objects.using(database).bulk_create([Parcel()])
                Parcel.objects.using(database).all().delete()
                transaction.set_rollback(True, using=database)
            Parcel.objects.using(database).update(status="sent")
        assert [p.status for p in Parcel.plain.using(database).all()] == ["sent"]
        assert [event.type for event in OutboxEvent.objects.using(database).all()] == ["tests_app.parcel.updated"]

    @pytest.mark.databases("postgresql", "mariadb", transaction=True)
    def test_rows_that_somebody_else_changes_meanwhile(self, database: str, publisher: Configure, data: Data) -> None:
        # Given a row that another transaction has changed and not yet committed
        a, b = parcel(database), parcel(database)
        publisher(FIELDS=["id", "status"], CHANGES=True)
        changed, committed = Event(), Event()

        def change_one() -> None:
            with transaction.atomic(using=database):
                Parcel.plain.using(database).filter(pk=a.pk).update(status="paid")
                changed.set()
                assert not committed.wait(0.5)
            connections[database].close()

        def update() -> int:
            changed.wait()
            try:
                return Parcel.objects.using(database).filter(status="new").update(status="lost")
            finally:
                committed.set()
                connections[database].close()

        # When those are updated that it was one of
        with ThreadPoolExecutor(2) as pool:
            other, mine = pool.submit(change_one), pool.submit(update)
            other.result()
            # Then it waits for the other, and tells and changes the one row that is left
            assert mine.result() == 1
        assert data() == [{"id": b.pk, "status": "lost", "changes": {"status": {"old": "new", "new": "lost"}}}]
        assert [p.status for p in Parcel.plain.using(database).order_by("pk")] == ["paid", "lost"]
