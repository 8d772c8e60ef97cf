"""SIGNAL: any Django signal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in

from django_redis_bus.testing import Captured
from tests.app.models import Customer, Order

from . import examples
from .conftest import Configure

Data = Callable[[], list[Any]]

LOGIN = {"SIGNAL": "django.contrib.auth.signals.user_logged_in"}
PAID = {"SIGNAL": "tests.publishers.examples.paid"}


@pytest.fixture
def ann(db: None) -> User:
    return User.objects.create(username="ann")


def test_nothing_leaves_that_was_not_named(publisher: Configure, events: list[Captured], ann: User) -> None:
    publisher(**LOGIN)
    user_logged_in.send(User, request=None, user=ann)
    [event] = [captured.event for captured in events]
    assert event.data == {}
    assert event.type == "tests.user_logged_in"
    assert (event.key, event.subject) == (None, None)


def test_fields_topic_and_key_are_paths_over_the_arguments(
    publisher: Configure, events: list[Captured], ann: User
) -> None:
    publisher(**LOGIN, TOPIC="tenant:{user.pk}:orders", FIELDS=["user.pk", "request.ip"], KEY="user.username")
    user_logged_in.send(User, request={"ip": "::1"}, user=ann)
    [event] = [captured.event for captured in events]
    assert event.data == {"user.pk": ann.pk, "request.ip": "::1"}
    assert event.topic == f"tenant:{ann.pk}:orders"
    assert event.key == "ann"


def test_payload_and_when_get_sender_and_arguments(publisher: Configure, data: Data, ann: User) -> None:
    publisher(**LOGIN, PAYLOAD="tests.publishers.examples.login_payload", TYPE="login")
    user_logged_in.send(User, request=None, user=ann)
    publisher(**PAID, WHEN="tests.publishers.examples.is_large", FIELDS=["amount"])
    examples.paid.send(None, amount=5)
    examples.paid.send(None, amount=500)
    assert data() == [{"user": ann.pk, "sent_by": "User"}, {"amount": 500}]


@pytest.mark.parametrize("sender", ["tests.publishers.examples.Till", "tests_app.Customer"])
def test_a_sender(publisher: Configure, data: Data, sender: str) -> None:
    wanted = {"tests.publishers.examples.Till": examples.Till, "tests_app.Customer": Customer}[sender]
    publisher(**PAID, SENDER=sender, FIELDS=["amount"])
    examples.paid.send(Order, amount=1)
    examples.paid.send(wanted, amount=2)
    examples.paid.send(None, amount=3)
    assert data() == [{"amount": 2}]


async def test_an_async_send(publisher: Configure, data: Data) -> None:
    publisher(**PAID, FIELDS=["amount"])
    await examples.paid.asend(None, amount=1)
    assert data() == [{"amount": 1}]


def test_a_missing_argument_is_logged_and_breaks_nothing(
    publisher: Configure, data: Data, caplog: pytest.LogCaptureFixture
) -> None:
    publisher(**PAID, FIELDS=["amount"])
    examples.paid.send(None, price=1)
    assert data() == []
    assert "no argument 'amount'; it has sender, price" in caplog.text


def test_without_a_transaction_no_database_is_opened(publisher: Configure, data: Data) -> None:
    # This test may not use a database.
    publisher(**PAID, FIELDS=["amount"], DELIVERY="on_commit")
    examples.paid.send(None, amount=1)
    assert data() == [{"amount": 1}]


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_a_signal_waits_for_the_transaction_it_names(publisher: Configure, data: Data) -> None:
    from django.db import transaction

    publisher(**PAID, FIELDS=["amount"], DELIVERY="on_commit")
    with transaction.atomic(using="other"):
        examples.paid.send(None, amount=1, using="other")
        assert data() == []
    assert data() == [{"amount": 1}]


@pytest.mark.django_db
def test_model_signals_by_path_skip_fixtures_too(publisher: Configure, types: Data) -> None:
    publisher(SIGNAL="django.db.models.signals.post_save", SENDER="tests_app.Order", FIELDS=["instance.pk"])
    Order(pk=1).save_base(raw=True)
    assert types() == []
    Order(pk=2).save()
    assert types() == ["post_save"]
