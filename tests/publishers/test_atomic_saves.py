"""DELIVERY "outbox": the save and the row of its event are one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core import serializers
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.db.models import Model
from django.db.models.signals import post_save
from django.test.utils import CaptureQueriesContext

from django_redis_bus import bus, publishers
from django_redis_bus.models import OutboxEvent
from django_redis_bus.outbox import rows
from tests.app.models import Diary, GiftOrder, Ledger, Order, RushOrder, Ticket

from .conftest import Configure

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def outbox(publisher: Configure) -> Configure:
    """Configure one publisher that writes to the outbox."""

    def configure(**entry: Any) -> None:
        publisher(DELIVERY="outbox", **entry)

    return configure


@contextmanager
def receiver(function: Callable[..., None], sender: type[Model] = Order) -> Iterator[None]:
    post_save.connect(function, sender=sender, weak=False)
    try:
        yield
    finally:
        post_save.disconnect(function, sender=sender)


def refuse(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("refused")


def statements(captured: CaptureQueriesContext) -> list[str]:
    """The first two words of each statement until the COMMIT; what comes later is publishing."""
    words = [" ".join(query["sql"].split()[:2]) for query in captured if "sqlite_master" not in query["sql"]]
    return words[: words.index("COMMIT") + 1] if "COMMIT" in words else words


class TestOneTransaction:
    def test_of_the_save_and_the_row(self, outbox: Configure) -> None:
        outbox()
        with CaptureQueriesContext(connection) as captured:
            Order.objects.create()
        assert statements(captured) == ["BEGIN IMMEDIATE", "INSERT INTO", "INSERT INTO", "COMMIT"]
        assert OutboxEvent.objects.count() == 1

    @pytest.mark.parametrize("model", [RushOrder, GiftOrder], ids=["a proxy", "a child"])
    def test_whatever_the_class(self, outbox: Configure, model: type[Order]) -> None:
        outbox()
        with CaptureQueriesContext(connection) as captured:
            model.objects.create()
        assert statements(captured)[0] == "BEGIN IMMEDIATE"
        assert statements(captured).count("COMMIT") == 1
        assert OutboxEvent.objects.count() == 1

    def test_without_its_row_there_is_no_save(self, outbox: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
        order = Order.objects.create(status="new")
        outbox()
        monkeypatch.setattr(rows, "store", refuse)
        with pytest.raises(RuntimeError, match="refused"):
            Order.objects.create()
        order.status = "paid"
        with pytest.raises(RuntimeError, match="refused"):
            order.save()
        assert [(o.pk, o.status) for o in Order.objects.all()] == [(order.pk, "new")]

    def test_a_receiver_that_raises_takes_the_save_with_it(self, outbox: Configure) -> None:
        outbox()
        with receiver(refuse), pytest.raises(RuntimeError, match="refused"):
            Order.objects.create()
        assert Order.objects.count() == OutboxEvent.objects.count() == 0

    def test_inside_a_transaction_it_is_no_savepoint(self, outbox: Configure) -> None:
        outbox()
        with transaction.atomic(), CaptureQueriesContext(connection) as captured:
            Order.objects.create()
        assert statements(captured) == ["INSERT INTO", "INSERT INTO"]

    def test_a_transaction_that_is_managed_by_hand(self, outbox: Configure) -> None:
        outbox()
        transaction.set_autocommit(False)
        try:
            Order.objects.create()
            with receiver(refuse), pytest.raises(RuntimeError):
                Order.objects.create()
            # Whether it goes on after an error is up to whoever manages it.
            assert Order.objects.count() == 2
            transaction.rollback()
        finally:
            transaction.set_autocommit(True)
        assert Order.objects.count() == OutboxEvent.objects.count() == 0

    async def test_the_async_twin(self, outbox: Configure) -> None:
        outbox()
        with receiver(refuse), pytest.raises(RuntimeError, match="refused"):
            await Order().asave()
        assert await Order.objects.acount() == 0

    def test_only_if_changed_still_sees_its_save(self, outbox: Configure) -> None:
        order = Order.objects.create(status="new")
        outbox(ONLY_IF_CHANGED=["status"])
        order.save()
        assert OutboxEvent.objects.count() == 0
        order.status = "paid"
        order.save()
        assert OutboxEvent.objects.count() == 1


class TestWhichDatabase:
    pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

    def test_the_one_that_is_named(self, outbox: Configure) -> None:
        outbox()
        Order().save(using="other")
        with receiver(refuse), pytest.raises(RuntimeError):
            Order().save(using="other")
        assert Order.objects.using("other").count() == OutboxEvent.objects.using("other").count() == 1

    def test_the_one_that_the_router_names(self, outbox: Configure, settings: Any) -> None:
        settings.DATABASE_ROUTERS = [f"{__name__}.ToOther"]
        asked.clear()
        outbox()
        order = Order()
        # Positional, as nobody calls it, and not at all
        order.save_base(False, False, False, None)
        asked.clear()
        order.save_base()
        assert OutboxEvent.objects.using("other").count() == 2
        # It need not give the same answer twice
        assert len([instance for instance in asked if instance is order]) == 1

    def test_the_one_that_the_instance_is_from(self, outbox: Configure) -> None:
        order = Order(status="new")
        order.save(using="other")
        outbox()
        with receiver(refuse), pytest.raises(RuntimeError):
            order.save()
        with CaptureQueriesContext(connections["default"]) as captured:
            order.save()
        assert len(captured) == 0
        assert OutboxEvent.objects.using("other").count() == 1


asked: list[Any] = []


class ToOther:
    def db_for_write(self, model: type[Model], instance: Any = None, **hints: Any) -> str:
        asked.append(instance)
        return "other"


class TestFixtures:
    def test_loaddata_is_one_transaction_anyway(
        self, outbox: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fixture = tmp_path / "orders.json"
        fixture.write_text(serializers.serialize("json", [Order(pk=1), Order(pk=2)]))
        outbox(RAW=True)
        call_command("loaddata", fixture, verbosity=0)
        assert OutboxEvent.objects.count() == 2
        monkeypatch.setattr(rows, "store", refuse)
        Order.objects.all()._raw_delete("default")
        with pytest.raises(RuntimeError, match="refused"):
            call_command("loaddata", fixture, verbosity=0)
        assert Order.objects.count() == 0


class TestClasses:
    def saves_plainly(self, *models: type[Model]) -> bool:
        return all("save_base" not in vars(model) for model in models)

    def test_disconnecting_leaves_no_trace(self, outbox: Configure) -> None:
        outbox()
        assert not self.saves_plainly(Order)
        publishers.disconnect()
        assert self.saves_plainly(Order, RushOrder, GiftOrder)

    def test_other_deliveries_and_models_are_left_alone(self, publisher: Configure, outbox: Configure) -> None:
        publisher(DELIVERY="on_commit")
        assert self.saves_plainly(Order, RushOrder, GiftOrder)
        outbox(ACTIONS=["deleted", "m2m_changed"])
        assert self.saves_plainly(Order, RushOrder, GiftOrder)
        outbox()
        assert self.saves_plainly(Ticket)

    def test_children_that_are_left_out(self, outbox: Configure) -> None:
        outbox(INCLUDE_SUBCLASSES=False)
        with CaptureQueriesContext(connection) as captured, receiver(refuse, GiftOrder), pytest.raises(RuntimeError):
            GiftOrder.objects.create()
        # The transaction of Django's own, for its two tables, was over when the receiver raised
        assert statements(captured)[-1] == "COMMIT"
        assert GiftOrder.objects.count() == 1

    def test_several_publishers(self, bus_settings: Any) -> None:
        entry = {"MODEL": "tests_app.Order", "TOPIC": "events:order", "DELIVERY": "outbox"}
        both = {"a": entry, "b": entry | {"MODEL": "tests_app.GiftOrder"}}
        bus_settings(STREAMS={"events:order": {}}, PUBLISHERS=both)
        GiftOrder.objects.create()
        assert OutboxEvent.objects.count() == 2
        publishers.disconnect()
        assert self.saves_plainly(Order, RushOrder, GiftOrder)

    @pytest.mark.parametrize(("model", "by"), [(Ledger, ("Counted",)), (Diary, ("Diary", "Counted"))], ids=str)
    def test_a_class_that_saves_in_its_own_way(
        self, outbox: Configure, model: type[Model], by: tuple[str, ...]
    ) -> None:
        own = vars(model).get("save_base")
        outbox(MODEL=model._meta.label)
        made = model(text="a")
        with receiver(refuse, model), pytest.raises(RuntimeError):
            made.save()
        made.save()
        assert made.saved_by == by * 2
        assert model.objects.count() == OutboxEvent.objects.count() == 1
        publishers.disconnect()
        assert vars(model).get("save_base") is own

    def test_somebody_else_wraps_it_as_well(self, outbox: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
        outbox()
        ours = Order.save_base
        calls = []

        def theirs(self: Order, *args: Any, **kwargs: Any) -> None:
            calls.append(self)
            ours(self, *args, **kwargs)

        monkeypatch.setattr(Order, "save_base", theirs)
        publishers.disconnect()
        order = Order()
        order.save()
        assert Order.save_base is theirs
        assert calls == [order]
        monkeypatch.undo()
        del Order.save_base

    def test_templates_may_not_call_it(self, outbox: Configure) -> None:
        outbox()
        assert Order.save_base.alters_data

    def test_muted(self, outbox: Configure) -> None:
        outbox()
        with bus.muted():
            Order.objects.create()
        assert (Order.objects.count(), OutboxEvent.objects.count()) == (1, 0)
