"""PublishingQuerySet.delete, and what the manager offers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, models, transaction
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from django_redis_bus import bus
from django_redis_bus.models import OutboxEvent
from django_redis_bus.querysets import PublishingManager, PublishingQuerySet
from tests.app.models import Notice, Parcel, Stamp
from tests.conftest import ROOT

from .conftest import Configure, Queries

Data = Callable[[], list[Any]]


@pytest.fixture
def rows() -> None:
    for _ in range(3):
        Stamp.objects.create(parcel=Parcel.plain.create())


@pytest.mark.django_db
@pytest.mark.usefixtures("rows")
class TestDelete:
    def test_each_row_is_an_event(self, publisher: Configure, types: Data) -> None:
        publisher()
        assert Parcel.objects.all().delete()[1] == {"tests_app.Parcel": 3, "tests_app.Stamp": 3}
        assert types() == ["deleted"] * 3

    @pytest.mark.parametrize("model", [Parcel, Stamp], ids=["itself", "by a cascade"])
    def test_rows_of_the_outbox_are_one_statement(self, publisher: Configure, model: type[models.Model]) -> None:
        publisher(MODEL=model._meta.label, DELIVERY="outbox")
        with transaction.atomic(), CaptureQueriesContext(connection) as captured:
            Parcel.objects.all().delete()
        assert len([q for q in captured if q["sql"].startswith("INSERT")]) == 1
        assert OutboxEvent.objects.count() == 3

    def test_a_model_that_nobody_publishes_is_deleted_fast(self, publisher: Configure, queries: Queries) -> None:
        Notice.objects.create()
        publisher()
        with queries(1):
            Notice.objects.all().delete()
            Stamp.objects.none().delete()
        publisher(ACTIONS=["created"])
        with queries(1):
            Stamp.objects.all().delete()

    def test_muted(self, publisher: Configure, types: Data) -> None:
        publisher()
        with bus.muted():
            Parcel.objects.all().delete()
        assert types() == []

    def test_what_django_refuses_is_refused(self, publisher: Configure) -> None:
        publisher()
        with pytest.raises(TypeError):
            Parcel.objects.all()[:1].delete()


class Own(PublishingQuerySet[Parcel]):
    def sent(self) -> Own:
        return self.filter(status="sent")


class OwnManager(PublishingManager):
    def unsent(self) -> QuerySet[Parcel]:
        return self.exclude(status="sent")


@pytest.mark.django_db
class TestManager:
    @pytest.mark.parametrize("name", ["delete", "adelete", "_raw_delete"])
    def test_no_manager_deletes_everything(self, name: str) -> None:
        assert not hasattr(Parcel.objects, name)

    @pytest.mark.parametrize("name", ["update", "bulk_create", "bulk_update"])
    def test_templates_may_not_call_it(self, name: str) -> None:
        assert getattr(PublishingQuerySet, name).alters_data

    @pytest.mark.parametrize(
        "base", [Own.as_manager, models.Manager.from_queryset(Own), PublishingManager.from_queryset(Own)]
    )
    def test_a_queryset_of_ones_own(self, publisher: Configure, types: Data, base: Any) -> None:
        publisher()
        manager = base()
        manager.model = Parcel
        manager.bulk_create([Parcel(status="sent"), Parcel()])
        assert manager.sent().update(status="lost") == 1
        assert types() == ["created", "created", "updated"]

    def test_a_manager_of_ones_own(self, publisher: Configure, types: Data) -> None:
        Parcel.plain.create()
        publisher()
        manager = OwnManager()
        manager.model = Parcel
        assert manager.unsent().update(status="sent") == 1
        assert types() == ["updated"]


def test_it_is_there_before_apps_and_settings_are() -> None:
    code = "from django_redis_bus.querysets import PublishingManager; from django.conf import settings; "
    code += "assert not settings.configured"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT)
