"""What fails on the way to an event never breaks the save, unless that was asked for or would be a lie."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from django_redis_bus.core.causation import handling
from django_redis_bus.core.events import Event
from django_redis_bus.core.exceptions import HopLimitExceeded, PayloadError, Unavailable
from django_redis_bus.sending import Sender
from tests.app.models import Customer, Order, Parcel, Product, Secret, Tag

from .conftest import Configure

Data = Callable[[], list[Any]]
BUILDER = "tests.publishers.examples.failing_payload"

pytestmark = pytest.mark.django_db


def refuse_query(*args: Any, **kwargs: Any) -> Any:
    raise DatabaseError("no such column")


@pytest.fixture
def redis_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sender, "send", lambda self, messages, **options: [Unavailable("refused") for _ in messages])


@pytest.fixture
def loop_event() -> Any:
    """An event being handled that is as far from the first of its chain as events may be."""
    event: Event[Any] = Event(id="e1", source="tests", type="t", topic="events:order", data={}, hops=16)
    token = handling.set(event)
    yield event
    handling.reset(token)


@pytest.mark.parametrize(
    "entry",
    [
        {"PAYLOAD": BUILDER},
        {"PAYLOAD": "tests.publishers.examples.unencodable_payload"},
        {"WHEN": BUILDER},
        {"KEY": "customer.name"},
        {"TOPIC": "tenant:{customer.name}:orders"},
        {"TOPIC": "events:unknown"},
        {"TYPE": "order.{status}"},
    ],
    ids=str,
)
def test_an_error_on_the_way_is_logged_and_the_save_goes_on(
    publisher: Configure, types: Data, caplog: pytest.LogCaptureFixture, entry: dict[str, str]
) -> None:
    publisher(**entry)
    order = Order.objects.create(status="a secret")
    assert Order.objects.filter(pk=order.pk).exists()
    assert types() == []
    [record] = caplog.records
    assert record.name == "django_redis_bus.publishers"
    assert record.levelno == logging.ERROR
    assert record.exc_info
    assert record.getMessage() == (
        f"Publisher 'p' of bus 'default': no event for tests_app.Order '{order.pk}' created."
    )
    assert "a secret" not in caplog.text


def test_a_key_cannot_forge_log_lines(publisher: Configure, caplog: pytest.LogCaptureFixture) -> None:
    publisher(MODEL="tests_app.Product", PAYLOAD=BUILDER)
    Product.objects.create(sku="a\nERROR forged")
    assert "\nERROR" not in caplog.records[0].getMessage()


def test_a_failure_before_the_save_counts_as_a_change(
    publisher: Configure, types: Data, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = Order.objects.create()
    publisher(ONLY_IF_CHANGED=["status"])
    monkeypatch.setattr("django_redis_bus.publishers.changes.stored", refuse_query)
    order.save()
    assert types() == ["updated"]
    assert "no such column" in caplog.text


def test_a_failure_before_a_deletion(
    publisher: Configure, types: Data, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pk = Order.objects.create().pk
    publisher(FIELDS=["status"])
    monkeypatch.setattr("django_redis_bus.publishers.deletes.stored", refuse_query)
    Order.objects.only("id").get(pk=pk).delete()
    assert types() == []
    assert not Order.objects.exists()
    assert "no such column" in caplog.text
    assert "the row is gone, and the instance does not hold status" in caplog.text


def test_a_failure_of_a_relation(publisher: Configure, types: Data, caplog: pytest.LogCaptureFixture) -> None:
    publisher(PAYLOAD=BUILDER, ACTIONS=["m2m_changed"])
    order = Order.objects.create()
    order.tags.add(Tag.objects.create(name="a"))
    assert order.tags.count() == 1
    assert "no event for tests_app.Order m2m_changed (tags)" in caplog.text


@pytest.mark.parametrize("delivery", ["immediate", "on_commit"])
def test_a_bus_that_cannot_be_used_breaks_no_save(
    bus_settings: Any, caplog: pytest.LogCaptureFixture, delivery: str
) -> None:
    entry = {"TOPIC": "events:order", "DELIVERY": delivery, "ACTIONS": ["created", "updated", "deleted", "m2m_changed"]}
    publishers = {model: entry | {"MODEL": model} for model in ("tests_app.Order", "tests_app.Parcel")}
    bus_settings(STREAMS={"events:order": {}}, PUBLISHERS=publishers, NONSENSE=True)
    order = Order.objects.create()
    order.tags.add(Tag.objects.create(name="a"))
    order.delete()
    Parcel.objects.bulk_create([Parcel()])
    Parcel.objects.update(status="sent")
    Parcel.objects.all().delete()
    for action in ("created", "updated", "deleted"):
        assert f"{action}." in caplog.text
    assert "NONSENSE" in caplog.text


@pytest.mark.parametrize("delivery", ["immediate", "on_commit"])
def test_raise_if_asked(publisher: Configure, delivery: str) -> None:
    publisher(PAYLOAD=BUILDER, ON_ERROR="raise", DELIVERY=delivery)
    with pytest.raises(RuntimeError, match="the builder failed"):
        Order.objects.create()
    publisher(PAYLOAD="tests.publishers.examples.unencodable_payload", ON_ERROR="raise", DELIVERY=delivery)
    with pytest.raises(PayloadError):
        Order.objects.create()


@pytest.mark.usefixtures("redis_down")
def test_what_cannot_be_sent_is_logged_without_its_data(publisher: Configure, caplog: pytest.LogCaptureFixture) -> None:
    publisher(MODEL="tests_app.Secret", FIELDS="__all__")
    secret = Secret.objects.create(owner=Customer.objects.create(name="Ann"), token="hush")
    [record] = caplog.records
    message = record.getMessage()
    assert "1 event(s)" in message
    assert f"p: tests_app.Secret '{secret.pk}' created" in message
    assert record.exc_info
    assert "hush" not in caplog.text


@pytest.mark.usefixtures("redis_down")
def test_sending_raises_if_asked(publisher: Configure) -> None:
    publisher(ON_ERROR="raise")
    with pytest.raises(Unavailable, match="refused"):
        Order.objects.create()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_down")
class TestAfterACommit:
    def test_a_batch_that_cannot_be_sent_is_one_record(
        self, publisher: Configure, caplog: pytest.LogCaptureFixture
    ) -> None:
        publisher(DELIVERY="on_commit")
        after: list[bool] = []
        with transaction.atomic():
            orders = [Order.objects.create() for _ in range(25)]
            transaction.on_commit(lambda: after.append(True))
        [record] = caplog.records
        assert "25 event(s)" in record.getMessage()
        assert f"tests_app.Order '{orders[0].pk}' created" in record.getMessage()
        assert record.getMessage().endswith("and 5 more.")
        assert after == [True]

    def test_raise_cannot_undo_a_commit(self, publisher: Configure, caplog: pytest.LogCaptureFixture) -> None:
        publisher(DELIVERY="on_commit", ON_ERROR="raise")
        with transaction.atomic():
            Order.objects.create()
        assert "1 event(s)" in caplog.text
        with pytest.raises(Unavailable):
            Order.objects.create()

    def test_send_that_raises_is_no_different(
        self, publisher: Configure, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(self: Sender, messages: Any, **options: Any) -> None:
            raise OSError("no socket")

        monkeypatch.setattr(Sender, "send", broken)
        publisher(DELIVERY="on_commit")
        Order.objects.create()
        assert "no socket" in caplog.text


@pytest.mark.usefixtures("loop_event")
def test_events_that_go_round_in_a_circle_stop_the_handler(publisher: Configure, types: Data) -> None:
    publisher()
    with pytest.raises(HopLimitExceeded):
        Order.objects.create()
    assert types() == []


def test_a_broken_transaction_is_not_hidden(publisher: Configure, types: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a builder whose query fails, on a database that refuses everything from then on (as PostgreSQL does)
    publisher(PAYLOAD="tests.publishers.examples.querying_payload")

    def refuse() -> int:
        monkeypatch.setattr(connection, "is_usable", lambda: False)
        raise DatabaseError("no such column")

    monkeypatch.setattr(Tag.objects, "count", refuse)
    # When an order is saved in a transaction, the error comes out: the COMMIT would do nothing, silently
    with pytest.raises(DatabaseError, match="no such column"), transaction.atomic():
        Order.objects.create()
    assert Order.objects.count() == 0


def test_a_failed_query_of_a_healthy_transaction_is_logged(
    publisher: Configure, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publisher(PAYLOAD="tests.publishers.examples.querying_payload")
    monkeypatch.setattr(Tag.objects, "count", refuse_query)
    with transaction.atomic():
        Order.objects.create()
    assert Order.objects.count() == 1
    assert "no such column" in caplog.text
