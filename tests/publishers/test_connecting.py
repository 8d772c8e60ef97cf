"""connect() and disconnect()."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models.signals import (
    m2m_changed,
    post_delete,
    post_migrate,
    post_save,
    pre_delete,
    pre_migrate,
    pre_save,
)

from django_redis_bus import publishers
from django_redis_bus.publishers.remembering import Notes
from tests.app.models import Order

from .conftest import Configure

Data = Callable[[], list[Any]]
SIGNALS = [pre_save, post_save, pre_delete, post_delete, m2m_changed, pre_migrate, post_migrate]


def ours() -> list[Any]:
    return [r for signal in SIGNALS for r in signal.receivers if "django_redis_bus.publishers" in str(r[0])]


def test_no_database_and_no_redis(bus_settings: Any) -> None:
    # Given a bus where nothing listens, and a test that may not use a database
    # When publishers connect
    entry = {"MODEL": "tests_app.Order", "TOPIC": "events:order", "ACTIONS": ["created", "m2m_changed"]}
    bus_settings(LOCATION="redis://127.0.0.1:1/0", PUBLISHERS={"p": entry})
    publishers.connect()
    # Then nothing was asked of either
    assert ours()


def test_disconnect_leaves_nothing(publisher: Configure) -> None:
    publisher(ACTIONS=["created", "updated", "deleted", "m2m_changed"], ONLY_IF_CHANGED=["status"])
    assert len(ours()) > 5
    publishers.disconnect()
    assert ours() == []


@pytest.mark.django_db
def test_connecting_again_replaces(publisher: Configure, types: Data) -> None:
    publisher()
    publishers.connect()
    publishers.connect()
    Order.objects.create()
    assert types() == ["created"]


@pytest.mark.django_db
def test_two_publishers_of_one_model(bus_settings: Any, data: Data) -> None:
    entry = {"MODEL": "tests_app.Order", "TOPIC": "events:order", "DELIVERY": "immediate"}
    bus_settings(
        STREAMS={"events:order": {}},
        PUBLISHERS={"a": entry | {"FIELDS": ["status"]}, "b": entry | {"FIELDS": ["total"]}},
    )
    Order.objects.create()
    assert data() == [{"status": "new"}, {"total": "0.00"}]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "entry",
    [
        {"MODEL": "tests_app.Ordr"},
        {"MODEL": "tests_app.Order", "SIGNAL": "django.db.models.signals.post_save"},
        {"MODEL": "tests_app.Order", "FIELDS": ["stats"]},
        {"MODEL": "tests_app.Order", "FIELDS": ["tags"]},
        {"MODEL": "tests_app.Order", "ACTIONS": ["create"]},
        {"MODEL": "tests_app.Order", "PAYLOAD": "tests.publishers.nothing.here"},
        {"MODEL": "tests_app.Order", "PAYLOAD": "tests.publishers.examples.not_callable"},
        {"MODEL": "tests_app.Order", "DELIVERY": "sometimes"},
        {"MODEL": "tests_app.Order", "CHANGES": True},
        {"MODEL": "tests_app.Order", "ONLY_IF_CHANGED": ["stats"]},
        {"SIGNAL": "tests.publishers.examples.not_callable"},
        {"SIGNAL": "tests.publishers.examples.paid", "FIELDS": "__all__"},
        {"SIGNAL": "tests.publishers.examples.paid", "SENDER": "tests_app.Ordr"},
    ],
    ids=str,
)
def test_an_entry_that_cannot_work_is_left_out_and_logged(
    bus_settings: Any, types: Data, caplog: pytest.LogCaptureFixture, entry: dict[str, Any]
) -> None:
    good = {"MODEL": "tests_app.Order", "TOPIC": "events:order", "DELIVERY": "immediate"}
    bus_settings(
        STREAMS={"events:order": {}},
        PUBLISHERS={"bad": {"TOPIC": "events:order", "DELIVERY": "immediate"} | entry, "good": good},
    )
    assert "Publisher 'bad' of bus 'default' publishes nothing" in caplog.text
    assert ".. Run: manage.py check" not in caplog.text
    Order.objects.create()
    assert types() == ["created"]


class Thing:
    pass


def test_notes_are_forgotten_with_what_they_are_about() -> None:
    notes: Notes[str] = Notes()
    thing, other = Thing(), Thing()
    notes.put(thing, "a")
    notes.put(other, "b")
    assert (notes.get(thing), notes.take(other), notes.get(other)) == ("a", "b", None)
    gone = weakref.ref(thing)
    del thing
    gc.collect()
    assert gone() is None
    assert len(notes) == 0
