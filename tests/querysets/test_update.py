"""PublishingQuerySet.update: what is told, how much it costs, and what is not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import FieldDoesNotExist
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Concat

from django_redis_bus import bus
from django_redis_bus.publishers import bulk
from django_redis_bus.querysets import PublishingQuerySet
from django_redis_bus.testing import Captured, capture_events
from tests.app.models import Customer, Parcel, Product, Seat

from .conftest import Configure, Data, Queries, parcels

pytestmark = pytest.mark.django_db


def test_each_row_is_an_event_with_what_it_holds_now(
    publisher: Configure, events: list[Captured], data: Data, types: Data
) -> None:
    # Given three rows
    a, b, _ = parcels("new", "new", "sent", weight=1)
    publisher(FIELDS=["id", "status", "weight"])
    # When two are updated by values and expressions
    count = Parcel.objects.filter(status="new").update(status=Concat(F("status"), Value("er")), weight=F("weight") + 2)
    # Then there is an event for each of them, in the order of their keys
    assert count == 2
    assert data() == [{"id": pk, "status": "newer", "weight": "3.00"} for pk in (a.pk, b.pk)]
    assert types() == ["updated", "updated"]
    assert [c.event.subject for c in events] == [str(a.pk), str(b.pk)]


def test_rows_that_stop_matching_are_told(publisher: Configure, data: Data) -> None:
    parcels("new", "new")
    publisher(FIELDS=["status"])
    assert Parcel.objects.filter(status="new").update(status="sent") == 2
    assert data() == [{"status": "sent"}] * 2


def test_rows_that_come_in_between_are_left_alone(
    publisher: Configure, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given somebody who adds a row after the rows to be updated were read
    [a] = parcels("new")
    publisher(FIELDS=["id", "status"], ACTIONS=["updated"])
    rows = bulk.Update.rows

    def then_one_more(self: bulk.Update, *args: Any) -> Any:
        found = rows(self, *args)
        parcels("new")
        return found

    monkeypatch.setattr(bulk.Update, "rows", then_one_more)
    # Then it is neither updated nor told of
    assert Parcel.objects.filter(status="new").update(status="sent") == 1
    assert data() == [{"id": a.pk, "status": "sent"}]
    assert Parcel.plain.filter(status="new").count() == 1


def test_no_row(publisher: Configure, types: Data, queries: Queries) -> None:
    publisher(FIELDS=["status"])
    with queries(1):
        assert Parcel.objects.update(status="sent") == 0
    assert types() == []


def test_a_misspelt_name_spoils_no_transaction(publisher: Configure, types: Data) -> None:
    parcels("new")
    publisher()
    for write in (Parcel.objects.update, Parcel.objects.none().update):
        with pytest.raises(FieldDoesNotExist):
            write(stats="sent")
    with pytest.raises(FieldDoesNotExist):
        Parcel.objects.bulk_update([Parcel(pk=1)], ["stats"])
    assert Parcel.plain.get().status == "new"
    assert types() == []


@pytest.mark.parametrize("rows", [3, 30])
def test_three_queries_whatever_the_number_of_rows(
    publisher: Configure, types: Data, queries: Queries, rows: int
) -> None:
    parcels(*["new"] * rows)
    publisher(FIELDS=["id", "status", "seen"], ONLY_IF_CHANGED=["status"], CHANGES=True)
    with queries(3):  # SELECT … FOR UPDATE, UPDATE, SELECT
        Parcel.objects.update(status="sent")
    assert len(types()) == rows


def test_two_queries_if_the_key_is_all_that_is_told(publisher: Configure, data: Data, queries: Queries) -> None:
    a, b = parcels("new", "new")
    publisher()
    with queries(2):
        Parcel.objects.update(status="sent")
    assert data() == [{"id": a.pk}, {"id": b.pk}]


def test_only_what_is_needed_is_read(publisher: Configure, django_assert_num_queries: Any) -> None:
    parcels("new")
    publisher(FIELDS=["status"], KEY="slot")
    with django_assert_num_queries(3) as captured:
        Parcel.objects.update(status="sent")
    again = captured[-1]["sql"]
    assert '"status"' in again
    assert '"slot"' in again
    assert '"weight"' not in again


class TestParts:
    @pytest.fixture(autouse=True)
    def two_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bulk, "_ROWS", 2)

    def test_many_rows_are_read_in_parts_and_written_at_once(
        self, publisher: Configure, data: Data, queries: Queries
    ) -> None:
        made = parcels(*["new"] * 5)
        publisher(FIELDS=["id", "status"])
        with queries(1 + 1 + 3):
            assert Parcel.objects.filter(status="new").update(status="sent") == 5
        assert data() == [{"id": parcel.pk, "status": "sent"} for parcel in made]

    def test_the_order_of_the_query_is_kept(self, publisher: Configure, data: Data) -> None:
        # Given rows in neighbouring slots, no two of which may be in one
        for slot in range(5):
            parcels("new", slot=slot)
        publisher(FIELDS=["slot"])
        # When they move up one, the last first
        Parcel.objects.order_by("-slot").update(slot=F("slot") + 10)
        # Then it goes by that order also across parts
        assert data() == [{"slot": slot} for slot in (14, 13, 12, 11, 10)]

    def test_composite_keys_count_twice(self, publisher: Configure, queries: Queries, types: Data) -> None:
        for number in range(4):
            Seat.objects.create(row="a", number=number)
        publisher(MODEL="tests_app.Seat", FIELDS=["taken"])
        with queries(1 + 1 + 2):
            PublishingQuerySet(Seat).update(taken=True)
        assert len(types()) == 4


def test_parts_are_as_large_as_the_database_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import connections

    features = type(connections["default"].features)
    sizes = []
    for limit in (None, 999, 100, 1):
        monkeypatch.setattr(features, "max_query_params", limit)
        sizes.append([len(next(iter(bulk.chunks(range(9_999), model, "default")))) for model in (Parcel, Seat)])
    # With tuples a statement compares a composite key as one.
    composite = 1000 if connections["default"].features.supports_tuple_lookups else 400
    assert sizes == [[1000, composite], [499, 249], [50, 25], [1, 1]]


class TestOnlyIfChanged:
    def test_rows_that_hold_it_already_are_silent(self, publisher: Configure, data: Data) -> None:
        a, _ = parcels("new", "sent")
        publisher(ONLY_IF_CHANGED=["status"])
        assert Parcel.objects.update(status="sent") == 2
        assert data() == [{"id": a.pk}]

    def test_other_columns_cost_nothing(self, publisher: Configure, types: Data, queries: Queries) -> None:
        parcels("new")
        publisher(ONLY_IF_CHANGED=["status"])
        with queries(1):
            Parcel.objects.update(weight=5)
        assert types() == []

    def test_a_generated_column(self, publisher: Configure, data: Data) -> None:
        Product.objects.create(sku="a", stock=5)
        publisher(MODEL="tests_app.Product", ONLY_IF_CHANGED=["available"], CHANGES=True)
        PublishingQuerySet(Product).update(stock=6, reserved=1)
        PublishingQuerySet(Product).update(reserved=2)
        assert data() == [{"sku": "a", "changes": {"available": {"old": 5, "new": 4}}}]


class TestChanges:
    def test_old_and_new(self, publisher: Configure, data: Data) -> None:
        parcels("new", "sent", weight=Decimal("1.5"))
        publisher(FIELDS=["status", "weight", "slot"], CHANGES=True)
        Parcel.objects.update(status="sent", weight=F("weight") * 2)
        weight = {"old": "1.50", "new": "3.00"}
        assert [each["changes"] for each in data()] == [
            {"status": {"old": "new", "new": "sent"}, "weight": weight},
            {"weight": weight},
        ]

    def test_a_foreign_key(self, publisher: Configure, data: Data) -> None:
        customer = Customer.objects.create(name="Ann")
        parcels("new")
        publisher(FIELDS=["customer"], CHANGES=True)
        Parcel.objects.update(customer=customer)
        Parcel.objects.update(customer_id=None)
        assert [each["changes"]["customer"] for each in data()] == [
            {"old": None, "new": customer.pk},
            {"old": customer.pk, "new": None},
        ]


class TestSilence:
    def test_muted(self, publisher: Configure, types: Data, queries: Queries) -> None:
        parcels("new")
        publisher(FIELDS=["status"])
        with bus.muted(), queries(1):
            assert Parcel.objects.update(status="sent") == 1
        assert types() == []

    def test_updates_are_not_published(self, publisher: Configure, types: Data, queries: Queries) -> None:
        parcels("new")
        publisher(ACTIONS=["created", "deleted"])
        with queries(1):
            Parcel.objects.update(status="sent")
        assert types() == []

    def test_a_rolled_back_savepoint(self, publisher: Configure) -> None:
        # Given an update that is rolled back, and one that is not
        parcels("new")
        publisher(DELIVERY="on_commit", FIELDS=["status"])
        with capture_events() as captured, transaction.atomic():
            with transaction.atomic():
                Parcel.objects.update(status="sent")
                transaction.set_rollback(True)
            Parcel.objects.update(status="lost")
        # Then only the other is told
        assert [each.event.data for each in captured] == [{"status": "lost"}]


def test_relations_are_fetched_at_once(
    publisher: Configure, events: list[Captured], queries: Queries, bus_settings: Any
) -> None:
    for name in ("ann", "bob", "cid"):
        parcels("new", customer=Customer.objects.create(name=name))
    publisher(TOPIC="tenant:{customer.name}:orders", KEY="customer.email")
    with queries(4):  # … and one for the customers
        Parcel.objects.update(status="sent")
    assert [c.event.topic for c in events] == ["tenant:ann:orders", "tenant:bob:orders", "tenant:cid:orders"]


class TestErrors:
    def test_one_that_cannot_be_told_does_not_hinder_the_others(
        self, publisher: Configure, data: Data, caplog: pytest.LogCaptureFixture
    ) -> None:
        a, b = parcels("new", "new")
        publisher(PAYLOAD=f"{__name__}.payload_of_few")
        assert Parcel.objects.update(slot=F("id") - a.pk) == 2
        assert data() == [{"slot": 1}]
        assert f"no event for tests_app.Parcel '{a.pk}' updated" in caplog.text
        assert b.pk == a.pk + 1

    def test_unless_that_is_asked_for(self, publisher: Configure) -> None:
        a, _ = parcels("new", "new")
        publisher(PAYLOAD=f"{__name__}.payload_of_few", ON_ERROR="raise")
        with pytest.raises(RuntimeError, match="no payload"), transaction.atomic():
            Parcel.objects.update(slot=F("id") - a.pk)
        assert set(Parcel.plain.values_list("slot", flat=True)) == {None}

    def test_a_key_that_cannot_be_encoded(self, publisher: Configure, caplog: pytest.LogCaptureFixture) -> None:
        parcels("new")
        publisher(TYPE="{status}.x")
        Parcel.objects.update(status=" ")
        assert "no event for tests_app.Parcel" in caplog.text


def payload_of_few(instance: Parcel, action: str) -> dict[str, Any]:
    if not instance.slot:
        raise RuntimeError("no payload")
    return {"slot": instance.slot}


@pytest.mark.django_db(databases=["default", "other"])
def test_another_database(publisher: Configure, data: Data, queries: Queries) -> None:
    Parcel.plain.using("other").create(status="new")
    parcels("new")
    publisher(FIELDS=["status"])
    with queries(0), queries(3, using="other"):
        Parcel.objects.using("other").update(status="sent")
    assert data() == [{"status": "sent"}]


@pytest.mark.django_db(transaction=True)
async def test_the_async_twin(publisher: Configure, data: Data) -> None:
    parcel = await Parcel.plain.acreate(status="new")
    publisher(FIELDS=["id", "status"])
    assert await Parcel.objects.filter(status="new").aupdate(status="sent") == 1
    assert data() == [{"id": parcel.pk, "status": "sent"}]
