"""PublishingQuerySet.update."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import FieldDoesNotExist
from django.db import NotSupportedError, transaction
from django.db.models import Case, Count, Exists, F, OuterRef, Value, When
from django.db.models.functions import Concat

from django_redis_bus import bus
from django_redis_bus.publishers import bulk
from django_redis_bus.querysets import PublishingQuerySet
from django_redis_bus.testing import Captured, capture_events
from tests.app.models import Customer, Express, Letter, Notice, Parcel, Product, Seat, Stamp, Ticket

from .conftest import Configure, Queries

pytestmark = pytest.mark.django_db

Data = Callable[[], list[Any]]


def parcels(*statuses: str, **fields: Any) -> list[Parcel]:
    """Rows that nobody is told of."""
    return [Parcel.plain.create(status=status, **fields) for status in statuses]


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
    with pytest.raises(FieldDoesNotExist):
        Parcel.objects.update(stats="sent")
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

    def test_many_rows_are_written_in_parts(self, publisher: Configure, data: Data, queries: Queries) -> None:
        made = parcels(*["new"] * 5)
        publisher(FIELDS=["id", "status"])
        with queries(1 + 3 + 3):
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
        with queries(1 + 2 + 2):
            PublishingQuerySet(Seat).update(taken=True)
        assert len(types()) == 4


def test_parts_are_as_large_as_the_database_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import connections

    features = type(connections["default"].features)
    sizes = []
    for limit in (None, 999, 100, 1):
        monkeypatch.setattr(features, "max_query_params", limit)
        sizes.append([len(next(iter(bulk.chunks(range(9_999), model, "default")))) for model in (Parcel, Seat)])
    assert sizes == [[1000, 1000], [499, 249], [50, 25], [1, 1]]


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


class TestQueries:
    """The rows that are told of are those that Django updates."""

    @pytest.fixture(autouse=True)
    def rows(self, publisher: Configure) -> None:
        self.ann = Customer.objects.create(name="Ann")
        self.bob = Customer.objects.create(name="Bob")
        self.a, self.b = parcels("new", "new", customer=self.ann)
        [self.c] = parcels("new", customer=self.bob)
        for value in (1, 2):
            Stamp.objects.create(parcel=self.a, value=value)
        Stamp.objects.create(parcel=self.c, value=1)
        publisher(FIELDS=["id", "status"])

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            pytest.param(lambda q: q.filter(customer__name="Ann"), "ab", id="a join"),
            pytest.param(lambda q: q.filter(stamps__value__gt=0), "ac", id="rows that come twice"),
            pytest.param(lambda q: q.filter(stamps__value__gt=0).distinct(), "ac", id="distinct"),
            pytest.param(lambda q: q.annotate(n=Count("stamps")).filter(n__gt=1), "a", id="an aggregate"),
            pytest.param(
                lambda q: q.filter(Exists(Stamp.objects.filter(parcel=OuterRef("pk")))), "ac", id="a subquery"
            ),
            pytest.param(lambda q: q.exclude(stamps__value=2), "bc", id="exclude"),
            pytest.param(lambda q: q.select_related("customer").filter(pk__gt=0), "abc", id="select_related"),
            pytest.param(lambda q: q.order_by("-pk"), "cba", id="an order"),
            pytest.param(lambda q: q.order_by(), "abc", id="no order"),
            pytest.param(lambda q: q.annotate(x=-F("pk")).order_by("x"), "cba", id="an annotation in the order"),
            pytest.param(lambda q: q.values("status").filter(customer__name="Bob"), "c", id="values"),
            pytest.param(lambda q: q.only("weight"), "abc", id="only"),
            pytest.param(lambda q: q.extra(where=["status = 'new'"]), "abc", id="extra"),
            pytest.param(lambda q: q.select_for_update(), "abc", id="locked by the caller"),
            pytest.param(lambda q: q.none(), "", id="nothing"),
        ],
    )
    def test_kinds(self, data: Data, query: Any, expected: str) -> None:
        count = query(Parcel.objects.all()).update(status="sent")
        ids = [getattr(self, name).pk for name in expected]
        assert [each["id"] for each in data()] == ids
        assert count == len(ids)
        assert set(Parcel.plain.filter(status="sent").values_list("pk", flat=True)) == set(ids)

    def test_an_annotation_in_the_values(self, data: Data) -> None:
        Parcel.objects.annotate(twice=Concat("status", "status")).filter(customer=self.bob).update(status=F("twice"))
        assert data() == [{"id": self.c.pk, "status": "newnew"}]

    def test_case_and_when(self, data: Data) -> None:
        Parcel.objects.update(status=Case(When(pk=self.a.pk, then=Value("first")), default=Value("other")))
        assert [each["status"] for each in data()] == ["first", "other", "other"]

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            (lambda q: q[:1], "Cannot update a query once a slice"),
            (lambda q: q.union(q), r"Calling QuerySet.update\(\) after union"),
            (lambda q: q.distinct("status"), r"Cannot call update\(\) after .distinct"),
        ],
        ids=["slice", "union", "distinct"],
    )
    def test_what_django_refuses_is_refused(self, types: Data, query: Any, message: str) -> None:
        with pytest.raises((TypeError, NotSupportedError), match=message):
            query(Parcel.objects.all()).update(status="sent")
        assert types() == []

    def test_the_result_of_an_earlier_fetch_is_forgotten(self) -> None:
        query = Parcel.objects.filter(status="new")
        assert len(query) == 3
        query.update(status="sent")
        assert len(query) == 0

    def test_a_related_manager(self, data: Data) -> None:
        self.ann.parcels.filter(pk=self.b.pk).update(status="sent")
        self.bob.parcels.update(status="sent")
        assert [each["id"] for each in data()] == [self.b.pk, self.c.pk]


class TestClasses:
    def test_a_proxy(self, publisher: Configure, types: Data) -> None:
        parcels("new")
        publisher()
        Letter.objects.update(status="sent")
        assert types() == ["updated"]

    def test_columns_of_the_parent_and_of_the_child(self, publisher: Configure, data: Data) -> None:
        Express.plain.create(courier="x")
        parcels("new")
        publisher(MODEL="tests_app.Express", FIELDS=["status", "courier"], CHANGES=True)
        assert Express.objects.filter(status="new", courier="x").update(status="sent", courier="y") == 1
        assert Express.objects.filter(status="sent").update(status="lost") == 1
        assert [each["changes"] for each in data()] == [
            {"status": {"old": "new", "new": "sent"}, "courier": {"old": "x", "new": "y"}},
            {"status": {"old": "sent", "new": "lost"}},
        ]

    def test_the_parents_publisher_hears_of_its_children(self, publisher: Configure, types: Data) -> None:
        Express.plain.create(courier="x")
        publisher()
        Express.objects.update(courier="y")
        assert types() == ["updated"]

    def test_unless_they_are_left_out(self, publisher: Configure, types: Data, queries: Queries) -> None:
        Express.plain.create(courier="x")
        publisher(INCLUDE_SUBCLASSES=False)
        with queries(1):
            Express.objects.update(courier="y")
        assert types() == []

    def test_nobody_publishes_the_model(self, publisher: Configure, queries: Queries) -> None:
        Notice.objects.create(text="a")
        publisher()
        with queries(1):
            Notice.objects.update(text="b")


class TestKeys:
    def test_a_composite_key(self, publisher: Configure, data: Data) -> None:
        Seat.objects.create(row="a", number=1)
        publisher(MODEL="tests_app.Seat", CHANGES=True, ONLY_IF_CHANGED=["taken"])
        PublishingQuerySet(Seat).filter(row="a").update(taken=True)
        assert data() == [{"row": "a", "number": 1, "changes": {"taken": {"old": False, "new": True}}}]

    def test_a_composite_key_alone(self, publisher: Configure, events: list[Captured]) -> None:
        Seat.objects.create(row="a", number=1)
        publisher(MODEL="tests_app.Seat")
        PublishingQuerySet(Seat).update(taken=True)
        assert [(c.event.data, c.event.subject) for c in events] == [({"row": "a", "number": 1}, "a,1")]

    def test_a_key_that_python_made(self, publisher: Configure, data: Data) -> None:
        ticket = Ticket.objects.create(title="a")
        publisher(MODEL="tests_app.Ticket", FIELDS=["title"])
        PublishingQuerySet(Ticket).filter(pk=ticket.pk).update(title="b")
        assert data() == [{"title": "b"}]

    def test_a_row_that_gets_another_key(self, publisher: Configure, events: list[Captured]) -> None:
        Product.objects.create(sku="a", stock=1)
        Seat.objects.create(row="a", number=1)
        publisher(MODEL="tests_app.Product", FIELDS=["sku", "stock"], CHANGES=True)
        PublishingQuerySet(Product).filter(sku="a").update(sku="b")
        publisher(MODEL="tests_app.Seat", FIELDS=["taken"])
        PublishingQuerySet(Seat).update(number="2")
        product, seat = [c.event for c in events]
        assert (product.subject, product.data["changes"]) == ("b", {"sku": {"old": "a", "new": "b"}})
        assert seat.subject == "a,2"

    def test_a_key_by_expression_is_refused(self, publisher: Configure) -> None:
        Product.objects.create(sku="a")
        publisher(MODEL="tests_app.Product")
        with pytest.raises(NotSupportedError, match=r"publisher 'p' wants .* with bus\.muted\(\)"):
            PublishingQuerySet(Product).update(sku=Concat("sku", "sku"))
        with bus.muted():
            assert PublishingQuerySet(Product).update(sku=Concat("sku", "sku")) == 1


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
