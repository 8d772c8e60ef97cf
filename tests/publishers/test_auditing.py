"""What the definition of a published model leaves open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import models
from django.db.models import SET, SET_DEFAULT, SET_NULL

from django_redis_bus.conf import configs
from django_redis_bus.publishers.auditing import Finding, holes, published
from django_redis_bus.querysets import PublishingManager
from tests.app.models import Customer, GiftOrder, Letter, Order, Parcel, RushOrder, Tag

from .conftest import Configure

Holes = Callable[..., list[Finding]]


@pytest.fixture
def of(publisher: Configure) -> Holes:
    """The findings of one kind about the model of a publisher: of("manager", MODEL="tests_app.Order")."""

    def find(kind: str, **entry: Any) -> list[Finding]:
        publisher(**entry)
        [found] = published(configs().values())
        return [finding for finding in holes(found) if finding.kind == kind]

    return find


def told(findings: list[Finding]) -> list[str]:
    return [f"{finding.where}: {finding.what}" for finding in findings]


class TestManagers:
    def test_a_plain_one_makes_no_events(self, of: Holes) -> None:
        [finding] = of("manager")
        what = "bulk_create, bulk_update and update make no events"
        assert told([finding]) == [f"Order.objects (the default manager): {what}"]
        assert "PublishingManager" in finding.mend

    @pytest.mark.parametrize(
        ("action", "what"),
        [("created", "bulk_create"), ("updated", "bulk_update and update"), ("deleted", None), ("m2m_changed", None)],
    )
    def test_only_what_would_be_an_event_counts(self, of: Holes, action: str, what: str | None) -> None:
        assert [finding.what for finding in of("manager", ACTIONS=[action])] == (
            [f"{what} make no events"] if what else []
        )

    def test_one_that_publishes_is_no_hole_and_one_beside_it_is(self, of: Holes) -> None:
        assert [finding.where for finding in of("manager", MODEL="tests_app.Parcel")] == ["Parcel.plain"]

    def test_children_with_managers_of_their_own(self, of: Holes, monkeypatch: pytest.MonkeyPatch) -> None:
        # Given a child and a proxy, whose managers are not those of the model
        for model in (Letter, Parcel):
            own = models.Manager()
            own.model, own.name = model, "own"
            monkeypatch.setitem(vars(model._meta), "managers", (*model._meta.managers, own))
            found = [finding.where for finding in of("manager", MODEL="tests_app.Parcel")]
            # Then each is named where it is first
            assert found == ["Parcel.plain", f"{model.__name__}.own"]

    def test_one_that_cannot_be_asked(self, of: Holes, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(self: Any) -> Any:
            raise RuntimeError("no tenant")

        monkeypatch.setattr(PublishingManager, "get_queryset", refuse)
        monkeypatch.setattr(models.Manager, "get_queryset", refuse)
        assert [finding.where for finding in of("manager", MODEL="tests_app.Parcel")] == ["Parcel.plain"]


class TestForeignKeys:
    def test_the_other_side(self, of: Holes) -> None:
        [finding] = of("relation")
        assert told([finding]) == [
            "Order.customer: Customer.orders.add() updates it through the base manager, without events"
        ]
        assert 'base_manager_name = "objects"' in finding.mend
        assert of("relation", ACTIONS=["created"]) == []
        assert of("relation", MODEL="tests_app.GiftOrder") != []

    def test_what_becomes_of_it_when_the_other_goes(self, of: Holes) -> None:
        what = "deleting a tests_app.Customer sets it through the base manager, without events"
        assert told(of("on_delete", MODEL="tests_app.Parcel")) == [f"Parcel.customer: {what}"]
        assert of("on_delete") == []
        assert of("on_delete", MODEL="tests_app.Parcel", ACTIONS=["deleted"]) == []

    @pytest.mark.parametrize(
        ("on_delete", "holes"),
        [(SET_NULL, 0), (SET_DEFAULT, 1), (SET(None), 0), (SET(lambda: None), 1)],
        ids=["SET_NULL", "SET_DEFAULT", "SET", "SET of a function"],
    )
    def test_a_base_manager_that_publishes(
        self, of: Holes, monkeypatch: pytest.MonkeyPatch, on_delete: Any, holes: int
    ) -> None:
        monkeypatch.setitem(vars(Parcel._meta), "base_manager", Parcel.objects)
        monkeypatch.setattr(Parcel._meta.get_field("customer").remote_field, "on_delete", on_delete)
        assert of("relation", MODEL="tests_app.Parcel") == []
        found = of("on_delete", MODEL="tests_app.Parcel")
        assert len(found) == holes
        assert all("update the rows before you delete a Customer" in finding.mend for finding in found)

    @pytest.mark.parametrize(("operation", "action"), [("CASCADE", "deleted"), ("SET NULL", "updated")])
    def test_what_the_database_does_by_itself(
        self, of: Holes, monkeypatch: pytest.MonkeyPatch, operation: str, action: str
    ) -> None:
        by_database = type("DatabaseOnDelete", (), {"operation": operation})()
        monkeypatch.setattr(Order._meta.get_field("customer").remote_field, "on_delete", by_database)
        [finding] = of("on_delete", ACTIONS=[action])
        assert f"makes the database {operation} its rows" in finding.what
        assert finding.mend == f"Let Django do it: on_delete=models.{operation.replace(' ', '_')}."
        assert of("on_delete", ACTIONS=["created"]) == []


class TestManyToMany:
    def test_the_other_side_is_deleted(self, of: Holes) -> None:
        [finding] = of("m2m", MODEL="tests_app.Parcel", ACTIONS=["m2m_changed"])
        what = "deleting a tests_app.Tag removes it from there, and Django sends no m2m_changed"
        assert told([finding]) == [f"Parcel.tags: {what}"]
        assert finding.mend == "Remove its relations first: tag.parcels.clear()."
        assert of("m2m", MODEL="tests_app.Parcel") == []

    def test_fields_of_children(self, of: Holes) -> None:
        assert [f.where for f in of("m2m", ACTIONS=["m2m_changed"])] == ["GiftOrder.ribbons", "Order.tags"]
        assert [f.where for f in of("m2m", ACTIONS=["m2m_changed"], INCLUDE_SUBCLASSES=False)] == ["Order.tags"]

    def test_a_table_of_ones_own(self, of: Holes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Order.tags.through._meta, "auto_created", False)
        found = of("m2m", ACTIONS=["m2m_changed"], INCLUDE_SUBCLASSES=False)
        assert [f.mend for f in found][1:] == ["Publish tests_app.Order_tags as well."]

    def test_a_relation_without_a_way_back(self, of: Holes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(vars(Order._meta.get_field("tags").remote_field), "hidden", True)
        [finding] = of("m2m", ACTIONS=["m2m_changed"], INCLUDE_SUBCLASSES=False)
        assert finding.mend == "Remove its relations first."


def test_parents(of: Holes) -> None:
    [finding] = of("parent", MODEL="tests_app.GiftOrder")
    assert told([finding]) == ["tests_app.Order: saving a row as its parent, a Order, is no signal of GiftOrder"]
    assert of("parent") == of("parent", MODEL="tests_app.RushOrder") == []


class TestPublished:
    def test_publishers_of_one_model_are_one_entry(self, bus_settings: Any) -> None:
        entry = {"MODEL": "tests_app.Order", "TOPIC": "events:order"}
        here = {
            "a": entry | {"ACTIONS": ["created"], "INCLUDE_SUBCLASSES": False},
            "b": entry | {"ACTIONS": ["deleted"]},
        }
        there = {"c": entry | {"ACTIONS": ["m2m_changed"], "INCLUDE_SUBCLASSES": False}}
        bus_settings(PUBLISHERS=here, others={"eu": {"LOCATION": "redis://127.0.0.1:1", "PUBLISHERS": there}})
        [found] = published(configs().values())
        assert found.publishers == (("default", "a"), ("default", "b"), ("eu", "c"))
        assert found.actions == {"created", "deleted", "m2m_changed"}
        assert set(found.classes) == {Order, RushOrder, GiftOrder}

    def test_what_is_off_or_wrong_or_no_model_is_left_out(self, bus_settings: Any) -> None:
        entry = {"TOPIC": "events:order"}
        bus_settings(
            PUBLISHERS={
                "off": entry | {"MODEL": "tests_app.Order", "ENABLED": False},
                "wrong": entry | {"MODEL": "tests_app.Ordr"},
                "signal": entry | {"SIGNAL": "django.db.models.signals.post_save"},
            }
        )
        assert published(configs().values()) == []


@pytest.mark.django_db
class TestMends:
    """What the findings recommend helps."""

    @pytest.fixture
    def parcel(self, publisher: Configure, monkeypatch: pytest.MonkeyPatch) -> Parcel:
        parcel = Parcel.plain.create(customer=Customer.objects.create(name="Ann"))
        publisher(MODEL="tests_app.Parcel", FIELDS=["customer"], ACTIONS=["updated", "m2m_changed"])
        monkeypatch.setitem(vars(Parcel._meta), "base_manager", Parcel.objects)
        return parcel

    def test_a_base_manager_for_the_other_side(self, parcel: Parcel, data: Callable[[], list[Any]]) -> None:
        bob = Customer.objects.create(name="Bob")
        bob.parcels.add(parcel)
        assert data() == [{"customer": bob.pk}]

    def test_a_base_manager_for_on_delete(self, parcel: Parcel, data: Callable[[], list[Any]]) -> None:
        assert parcel.customer is not None
        parcel.customer.delete()
        assert data() == [{"customer": None}]

    def test_a_base_manager_for_saves(self, parcel: Parcel, types: Callable[[], list[str]]) -> None:
        parcel.save()
        Parcel().save()
        assert types() == ["updated"]

    def test_clearing_before_deleting(self, parcel: Parcel, types: Callable[[], list[str]]) -> None:
        tag = Tag.objects.create(name="a")
        parcel.tags.add(tag)
        tag.parcels.clear()
        tag.delete()
        assert types() == ["m2m_changed", "m2m_changed"]
