"""PublishingQuerySet.bulk_create and bulk_update."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import NotSupportedError, connections, transaction
from django.db.models import F, Value

from django_redis_bus import bus
from django_redis_bus.publishers import bulk
from django_redis_bus.querysets import PublishingQuerySet
from django_redis_bus.testing import Captured
from tests.app.models import Customer, Express, Letter, Notice, Parcel, Product, Tag, Ticket

from .conftest import Configure, Queries

pytestmark = pytest.mark.django_db

Data = Callable[[], list[Any]]


@pytest.fixture
def without_returning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that keeps new keys for itself, as MySQL does."""
    features = type(connections["default"].features)
    monkeypatch.setattr(features, "can_return_rows_from_bulk_insert", property(lambda self: False))
    monkeypatch.setattr(features, "can_return_columns_from_insert", property(lambda self: False))


class TestCreate:
    def test_each_row_is_an_event(self, publisher: Configure, events: list[Captured], types: Data) -> None:
        publisher(FIELDS=["id", "status", "weight", "label"])
        made = Parcel.objects.bulk_create([Parcel(status="a", weight="1.239"), Parcel(status="b", label="x.pdf")])
        assert [c.event.data for c in events] == [
            {"id": made[0].pk, "status": "a", "weight": "1.24", "label": ""},
            {"id": made[1].pk, "status": "b", "weight": "0.00", "label": "x.pdf"},
        ]
        assert types() == ["created", "created"]

    @pytest.mark.parametrize("rows", [2, 20])
    def test_no_query_more(self, publisher: Configure, types: Data, queries: Queries, rows: int) -> None:
        publisher(FIELDS=["id", "status", "seen"], ONLY_IF_CHANGED=["status"], CHANGES=True)
        with queries(1):
            Parcel.objects.bulk_create(Parcel(status=str(n)) for n in range(rows))
        assert len(types()) == rows

    def test_what_only_the_database_knows_is_one_query(
        self, publisher: Configure, data: Data, queries: Queries, without_returning: None
    ) -> None:
        publisher(MODEL="tests_app.Product", FIELDS=["sku", "available"])
        with queries(2):
            PublishingQuerySet(Product).bulk_create([Product(sku=str(n), stock=n) for n in range(9)])
        assert data() == [{"sku": str(n), "available": n} for n in range(9)]

    def test_an_expression(self, publisher: Configure, data: Data, queries: Queries) -> None:
        publisher(FIELDS=["status"])
        with queries(2):
            Parcel.objects.bulk_create([Parcel(status=Value("a")), Parcel(status="b")])
        assert data() == [{"status": "a"}, {"status": "b"}]

    def test_relations_are_fetched_at_once(
        self, publisher: Configure, events: list[Captured], queries: Queries
    ) -> None:
        ids = [Customer.objects.create(name=name).pk for name in ("ann", "bob")]
        publisher(TOPIC="tenant:{customer.name}:orders")
        with queries(2):
            Parcel.objects.bulk_create([Parcel(customer_id=pk) for pk in ids])
        assert [c.event.topic for c in events] == ["tenant:ann:orders", "tenant:bob:orders"]

    def test_in_batches(self, publisher: Configure, types: Data) -> None:
        publisher()
        Parcel.objects.bulk_create([Parcel() for _ in range(5)], batch_size=2)
        assert types() == ["created"] * 5

    def test_nothing(self, publisher: Configure, types: Data, queries: Queries) -> None:
        publisher()
        with queries(0):
            assert Parcel.objects.bulk_create([]) == []
        assert types() == []

    def test_proxies_and_related_managers(self, publisher: Configure, data: Data) -> None:
        publisher(FIELDS=["customer"])
        ann = Customer.objects.create(name="Ann")
        Letter.objects.bulk_create([Letter()])
        ann.parcels.bulk_create([Parcel(customer=ann)])
        assert data() == [{"customer": None}, {"customer": ann.pk}]

    def test_multi_table_children_are_refused_as_by_django(self, publisher: Configure) -> None:
        publisher()
        with pytest.raises(ValueError, match="multi-table inherited"):
            Express.objects.bulk_create([Express()])

    @pytest.mark.parametrize("conflicts", ["ignore_conflicts", "update_conflicts"])
    @pytest.mark.parametrize("alias", ["default", "eu"])
    def test_conflicts_are_refused(self, bus_settings: Any, conflicts: str, alias: str) -> None:
        # Given a publisher of one of the buses
        entry = {"p": {"MODEL": "tests_app.Parcel", "TOPIC": "events:order"}}
        eu = {"LOCATION": "redis://127.0.0.1:1", "STREAMS": {"events:order": {}}}
        here = {"PUBLISHERS": entry} if alias == "default" else {}
        bus_settings(others={"eu": eu | ({} if here else {"PUBLISHERS": entry})}, **here)
        # When nobody could tell which rows are new, then the error says what to do
        silence = r"bus\.muted" if alias == "default" else r"buses\['eu'\]\.muted"
        with pytest.raises(NotSupportedError, match=rf"{conflicts}=True.* publisher 'p' .*: with {silence}\(\)"):
            Parcel.objects.bulk_create([Parcel()], **{conflicts: True})
        assert Parcel.plain.count() == 0

    def test_conflicts_are_taken_where_nobody_listens(self, publisher: Configure, types: Data) -> None:
        publisher(ACTIONS=["updated"])
        Parcel.objects.bulk_create([Parcel(slot=1)], ignore_conflicts=True)
        with pytest.raises(NotSupportedError, match="update_conflicts"):
            Parcel.objects.bulk_create(
                [Parcel(slot=1)], update_conflicts=True, update_fields=["status"], unique_fields=["slot"]
            )
        publisher(ACTIONS=["deleted"])
        Parcel.objects.bulk_create(
            [Parcel(slot=1, status="b")], update_conflicts=True, update_fields=["status"], unique_fields=["slot"]
        )
        publisher()
        with bus.muted():
            Parcel.objects.bulk_create([Parcel(slot=1)], ignore_conflicts=True)
        assert [p.status for p in Parcel.plain.all()] == ["b"]
        assert types() == []

    def test_a_database_that_keeps_new_keys_for_itself(
        self, publisher: Configure, data: Data, without_returning: None
    ) -> None:
        publisher()
        with pytest.raises(NotSupportedError, match="not told the new primary keys by SQLite"):
            Parcel.objects.bulk_create([Parcel()])
        assert Parcel.plain.count() == 0
        # Keys of one's own are no riddle
        Parcel.objects.bulk_create([Parcel(pk=5)])
        publisher(MODEL="tests_app.Ticket", FIELDS=["title"])
        PublishingQuerySet(Ticket).bulk_create([Ticket(title="a")])
        assert data() == [{"id": 5}, {"title": "a"}]

    def test_nobody_listens(self, publisher: Configure, types: Data, queries: Queries) -> None:
        publisher(ACTIONS=["updated", "deleted"])
        with queries(2):
            Parcel.objects.bulk_create([Parcel()])
            Notice.objects.bulk_create([Notice()])
        with bus.muted():
            publisher()
            Parcel.objects.bulk_create([Parcel()])
        assert types() == []

    def test_one_that_fails_takes_all_with_it_if_asked(self, publisher: Configure) -> None:
        publisher(PAYLOAD=f"{__name__}.failing", ON_ERROR="raise")
        with pytest.raises(RuntimeError), transaction.atomic():
            Parcel.objects.bulk_create([Parcel(), Parcel()])
        assert Parcel.plain.count() == 0

    def test_one_that_fails_is_logged_else(self, publisher: Configure, caplog: pytest.LogCaptureFixture) -> None:
        publisher(PAYLOAD=f"{__name__}.failing")
        [parcel] = Parcel.objects.bulk_create([Parcel()])
        assert f"no event for tests_app.Parcel '{parcel.pk}' created" in caplog.text

    def test_in_parts(self, publisher: Configure, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bulk, "_ROWS", 2)
        publisher(FIELDS=["status"])
        Parcel.objects.bulk_create([Parcel(status=Value(str(n))) for n in range(5)])
        assert [each["status"] for each in data()] == ["0", "1", "2", "3", "4"]


class TestUpdate:
    def test_each_row_is_an_event(self, publisher: Configure, data: Data, types: Data) -> None:
        a, b = (Parcel.plain.create(status="new", weight=n) for n in (1, 2))
        publisher(FIELDS=["id", "status", "weight"], CHANGES=True)
        a.status, a.weight = "sent", Decimal(5)
        b.weight = F("weight") + 1
        assert Parcel.objects.bulk_update([a, b], ["status", "weight"]) == 2
        assert types() == ["updated", "updated"]
        assert data() == [
            {"id": a.pk, "status": "sent", "weight": "5.00",
             "changes": {"status": {"old": "new", "new": "sent"}, "weight": {"old": "1.00", "new": "5.00"}}},
            {"id": b.pk, "status": "new", "weight": "3.00", "changes": {"weight": {"old": "2.00", "new": "3.00"}}},
        ]  # fmt: skip

    def test_what_is_told_is_the_row_not_the_object(self, publisher: Configure, data: Data) -> None:
        parcel = Parcel.plain.create(status="new")
        publisher(FIELDS=["status", "slot"])
        parcel.status, parcel.slot = "sent", 5
        Parcel.objects.bulk_update([parcel], ["status"])
        assert data() == [{"status": "sent", "slot": None}]

    @pytest.mark.parametrize("rows", [2, 20])
    def test_two_queries_more(self, publisher: Configure, types: Data, queries: Queries, rows: int) -> None:
        made = [Parcel.plain.create() for _ in range(rows)]
        publisher(FIELDS=["status"], ONLY_IF_CHANGED=["status"])
        for parcel in made:
            parcel.status = "sent"
        with queries(3):
            Parcel.objects.bulk_update(made, ["status"])
        assert len(types()) == rows

    def test_columns_that_do_not_count_cost_nothing(self, publisher: Configure, types: Data, queries: Queries) -> None:
        parcel = Parcel.plain.create()
        publisher(ONLY_IF_CHANGED=["status"])
        with queries(1):
            Parcel.objects.bulk_update([parcel], ["weight"])
        assert types() == []

    def test_mistakes_are_djangos(self, publisher: Configure) -> None:
        publisher()
        with pytest.raises(ValueError, match="Field names must be given"):
            Parcel.objects.bulk_update([], [])
        with pytest.raises(ValueError, match="primary key fields"):
            Parcel.objects.bulk_update([Parcel(pk=1)], ["id"])
        assert Parcel.objects.bulk_update([], ["status"]) == 0


@pytest.mark.django_db(transaction=True)
async def test_the_async_twins(publisher: Configure, types: Data) -> None:
    publisher()
    made = await Parcel.objects.abulk_create([Parcel(), Parcel()])
    await Parcel.objects.abulk_update(made, ["status"])
    await Parcel.objects.all().adelete()
    assert types() == ["created"] * 2 + ["updated"] * 2 + ["deleted"] * 2


def test_tags_of_a_parcel_are_added_as_ever(publisher: Configure, types: Data) -> None:
    parcel = Parcel.plain.create()
    publisher(ACTIONS=["m2m_changed"])
    parcel.tags.add(Tag.objects.create(name="a"))
    assert types() == ["m2m_changed"]


def failing(instance: Parcel, action: str) -> dict[str, Any]:
    raise RuntimeError("no payload")
