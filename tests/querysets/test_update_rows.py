"""PublishingQuerySet.update: those rows are told of that Django updates, whatever the query and the class."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import NotSupportedError
from django.db.models import Case, Count, Exists, F, OuterRef, Value, When
from django.db.models.functions import Concat

from django_redis_bus import bus
from django_redis_bus.querysets import PublishingQuerySet
from django_redis_bus.testing import Captured
from tests.app.models import Customer, Express, Letter, Notice, Parcel, Product, Seat, Stamp, Ticket

from .conftest import Configure, Data, Queries, parcels

pytestmark = pytest.mark.django_db


class TestQueries:
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
            pytest.param(lambda q: q.prefetch_related("stamps"), "abc", id="prefetch_related"),
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
