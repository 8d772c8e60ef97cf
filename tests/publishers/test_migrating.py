"""`migrate` saves hundreds of rows that nobody changed."""

from __future__ import annotations

import gc
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from django.apps import AppConfig, apps
from django.core.management import call_command
from django.core.management.base import OutputWrapper
from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.db.migrations.state import ProjectState
from django.db.models.signals import post_migrate

from django_redis_bus.publishers.migrating import migrating
from tests.app.models import Order, Tag

from .conftest import Configure

pytestmark = pytest.mark.django_db(transaction=True)

Data = Callable[[], list[Any]]


@contextmanager
def busy_app() -> Iterator[None]:
    """Something that saves after each app was migrated, and was connected after the publishers."""

    def save(sender: AppConfig, **kwargs: Any) -> None:
        Tag.objects.create(name=sender.label)

    post_migrate.connect(save, weak=False)
    try:
        yield
    finally:
        post_migrate.disconnect(save)


def test_migrate_publishes_nothing_and_what_follows_is_published(publisher: Configure, types: Data) -> None:
    publisher(MODEL="tests_app.Tag")
    call_command("migrate", verbosity=0)
    # When another migrate saves rows, the last of them after the last app
    with busy_app():
        call_command("migrate", verbosity=0)
    assert Tag.objects.count() >= 3
    # Then they are no events
    assert types() == []
    Tag.objects.create(name="later").delete()
    assert types() == ["created", "deleted"]


def test_during_migrate_if_asked(publisher: Configure, types: Data) -> None:
    publisher(MODEL="tests_app.Tag", DURING_MIGRATE=True)
    with busy_app():
        call_command("migrate", verbosity=0)
    assert len(types()) == Tag.objects.count() >= 3


def test_silent_between_the_signals_in_this_thread_alone(publisher: Configure, types: Data) -> None:
    actions = ["created", "updated", "deleted", "m2m_changed"]
    publisher(ONLY_IF_CHANGED=["status"], FIELDS=["status"], ACTIONS=actions)
    stdout = OutputWrapper(io.StringIO())
    emit_pre_migrate_signal(0, False, "default", stdout=stdout, apps=apps, plan=[])
    order = Order.objects.create()
    order.status = "paid"
    order.save()
    order.tags.create(name="a")
    order.delete()
    assert types() == []

    # Another thread of the process is not concerned.
    elsewhere: list[bool] = []
    thread = Thread(target=lambda: elsewhere.append(migrating()))
    thread.start()
    thread.join()
    assert (migrating(), elsewhere) == (True, [False])

    emit_post_migrate_signal(0, False, "default", stdout=stdout, apps=apps, plan=[])
    Order.objects.create()
    assert types() == ["created"]


def test_a_migrate_that_failed_does_not_silence_the_process(publisher: Configure, types: Data) -> None:
    publisher()
    # Given a migrate that began and never ended
    emit_pre_migrate_signal(0, False, "default", stdout=OutputWrapper(io.StringIO()), apps=apps, plan=[])
    # When its command is gone
    gc.collect()
    # Then saves are events again
    Order.objects.create()
    assert types() == ["created"]


def test_historical_models_are_other_classes(publisher: Configure, types: Data) -> None:
    publisher()
    historical = ProjectState.from_apps(apps).apps.get_model("tests_app", "Order")
    historical.objects.create()
    assert types() == []
