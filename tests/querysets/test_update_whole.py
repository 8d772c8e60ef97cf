"""PublishingQuerySet.update: what is stored is what Django's own would store, however many rows it takes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from django.core.exceptions import FieldError
from django.db import OperationalError, connections, transaction
from django.db.models import Avg, Count, Exists, F, OuterRef, QuerySet, Subquery

from django_redis_bus.publishers import bulk
from tests.app.models import Customer, Parcel, Seat

from .conftest import Configure, Data, Queries, parcels

ROWS = 6


@pytest.fixture(params=["named", "too many to name"])
def many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, publisher: Configure) -> None:
    """Rows that are read in parts; what becomes of them must not depend on whether a statement can name them all."""
    parcels(*["new"] * (ROWS // 2), weight=1)
    parcels(*["new"] * (ROWS // 2), weight=3)
    monkeypatch.setattr(bulk, "_ROWS", 2)
    if request.param != "named":
        monkeypatch.setattr(type(connections["default"].features), "max_query_params", 4)
    publisher(FIELDS=["id", "status", "weight"])


def partner(database: str = "default") -> Exists:
    """Whether the row that is as far from the other end is new as well."""
    first, *_, last = Parcel.plain.using(database).order_by("id").values_list("id", flat=True)
    return Exists(Parcel.plain.filter(status="new", id=first + last - OuterRef("id")))


@pytest.mark.django_db
@pytest.mark.usefixtures("many")
class TestLooksAtItsOwnTable:
    def test_in_a_value(self, data: Data) -> None:
        average = (
            Parcel.plain.order_by().annotate(one=F("seen") * 0).values("one").annotate(a=Avg("weight")).values("a")
        )
        Parcel.objects.update(weight=Subquery(average) + 1)
        assert {each["weight"] for each in data()} == {"3.00"}
        assert len(data()) == ROWS

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            (lambda q: q.values("status"), ROWS),
            (lambda q: q.annotate(n=Count("stamps")).filter(n=0, weight=3).distinct(), ROWS // 2),
            (lambda q: q.values("weight").annotate(n=Count("id")), ROWS),
        ],
        ids=["values", "an aggregate", "groups"],
    )
    def test_whatever_the_query(self, data: Data, query: Any, count: int) -> None:
        with transaction.atomic():
            assert query(Parcel.plain.all()).update(status="sent") == count
            transaction.set_rollback(True)
        assert query(Parcel.objects.all()).update(status="sent") == count
        assert len(data()) == Parcel.plain.filter(status="sent").count() == count


@pytest.mark.databases
def test_a_condition_looks_at_its_own_table(
    database: str, publisher: Configure, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given rows of which each is to be updated because of another one that is to be updated as well
    Parcel.plain.using(database).bulk_create([Parcel(status="new") for _ in range(ROWS)])
    monkeypatch.setattr(bulk, "_ROWS", 2)
    publisher(FIELDS=["status"])
    # Then all are, as the condition was true of all
    assert Parcel.objects.using(database).filter(partner(database), status="new").update(status="sent") == ROWS
    assert data() == [{"status": "sent"}] * ROWS


@pytest.mark.django_db
class TestTooManyToName:
    @pytest.fixture(autouse=True)
    def two_at_most(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(type(connections["default"].features), "max_query_params", 4)

    def test_others_that_come_meanwhile_are_no_secret(
        self, publisher: Configure, types: Data, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parcels(*["new"] * 3)
        publisher()
        rows = bulk.Update.rows

        def then_one_more(self: bulk.Update, *args: Any) -> Any:
            found = rows(self, *args)
            parcels("new")
            return found

        monkeypatch.setattr(bulk.Update, "rows", then_one_more)
        with pytest.raises(OperationalError, match="has found 3 rows and written 4"), transaction.atomic():
            Parcel.objects.update(status="sent")
        assert Parcel.plain.filter(status="sent").count() == len(types()) == 0

    def test_a_condition_that_sqlite_looks_at_while_it_writes(self, publisher: Configure, types: Data) -> None:
        parcels(*["new"] * ROWS)
        publisher()
        with pytest.raises(OperationalError, match="has found 6 rows and written 3"), transaction.atomic():
            Parcel.objects.filter(partner(), status="new").update(status="sent")
        assert types() == []


@pytest.mark.django_db
def test_more_composite_keys_than_sqlite_nests(
    publisher: Configure, queries: Queries, types: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django_redis_bus.querysets import PublishingQuerySet

    # Given a database that takes many parameters, as newer versions of Django say of SQLite
    monkeypatch.setattr(type(connections["default"].features), "max_query_params", 250_000)
    Seat.objects.bulk_create(Seat(row="a", number=number) for number in range(1_200))
    publisher(MODEL="tests_app.Seat", FIELDS=["taken"])
    # Where it compares tuples nothing nests, and a part is as large as ever.
    parts = 2 if connections["default"].features.supports_tuple_lookups else 3
    with queries(1 + 1 + parts):
        assert PublishingQuerySet(Seat).update(taken=True) == 1_200
    assert len(types()) == 1_200


@pytest.mark.django_db
def test_what_django_refuses_spoils_no_transaction(publisher: Configure) -> None:
    parcels("new")
    publisher()
    with pytest.raises(FieldError, match="ordering by an aggregate"):
        Parcel.objects.annotate(n=Count("stamps")).order_by("n").update(status="sent")
    assert Parcel.plain.get().status == "new"


@pytest.mark.databases("postgresql", "mariadb", transaction=True)
def test_a_row_that_stops_matching_while_it_is_waited_for(database: str, publisher: Configure, types: Data) -> None:
    # Given a query of two tables, and a row that another transaction has cancelled and not yet committed
    customer = Customer.objects.using(database).create(name="Ann")
    row = Parcel.plain.using(database).create(customer=customer)
    publisher()
    matching: QuerySet[Parcel] = Parcel.objects.using(database).filter(customer__name="Ann", status="new")
    changed, updated = Event(), Event()

    def cancel() -> None:
        with transaction.atomic(using=database):
            Parcel.plain.using(database).filter(pk=row.pk).update(status="cancelled")
            changed.set()
            assert not updated.wait(0.5)
        connections[database].close()

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(cancel)
        changed.wait()
        # When it is updated
        count = matching.update(status="sent")
        updated.set()
        other.result()
    # Then it stays as it is, and nobody is told otherwise
    assert (count, types()) == (0, [])
    assert Parcel.plain.using(database).get().status == "cancelled"
