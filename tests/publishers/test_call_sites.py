"""What code writes to published models without events."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from django.apps import AppConfig, apps

from django_redis_bus.conf import configs
from django_redis_bus.publishers.auditing import Finding, published
from django_redis_bus.publishers.call_sites import CallSites, sources

Find = Callable[..., list[Finding]]
ORDERS = "from tests.app.models import Order\n"


@pytest.fixture
def find(bus_settings: Any, tmp_path: Path) -> Find:
    """The findings in a text: find("Order.objects.update(…)"). Order and Parcel are published."""

    def run(code: str, *actions: str, head: str = ORDERS) -> list[Finding]:
        path = tmp_path / "code.py"
        path.write_text(head + dedent(code))
        entry = {"TOPIC": "events:order", "ACTIONS": actions or ["created", "updated", "deleted"]}
        models = ("tests_app.Order", "tests_app.Parcel")
        bus_settings(PUBLISHERS={model: entry | {"MODEL": model} for model in models})
        sites = CallSites(published(configs().values()))
        return [finding for _, finding in sites.of_file(path, "shop/code.py")]

    return run


@pytest.mark.parametrize(
    "code",
    [
        "Order.objects.update(status='a')",
        "Order.objects.filter(pk=1).exclude(pk=2).update(status='a')",
        "await Order.objects.all().aupdate(status='a')",
        "Order.objects.bulk_create([])",
        "Order.objects.abulk_create(rows)",
        "Order.objects.bulk_update([], ['status'])",
        "Order._base_manager.using('x').update(status='a')",
        "Order._default_manager.update(status='a')",
        "Order.objects.all()._raw_delete('default')",
        "Parcel.objects.all()._raw_delete('default')",
        "Parcel.plain.update(status='a')",
        "models.Order.objects.update(status='a')",
        "if True:\n    print(Order.objects.update(status='a'))",
        "GiftOrder.objects.update(status='a')",
        "RushOrder.objects.update(status='a')",
        "orders = Order.objects.filter(pk=1)\norders = orders.exclude(pk=2)\norders.update(status='a')",
        "orders: object = Order.objects\norders.update(status='a')",
        "if orders := Order.objects.all():\n    orders.update(status='a')",
        "async def f():\n    orders = Order.objects\n    return lambda x: orders.update(status='a')",
        "class Order:\n    @classmethod\n    def f(cls):\n        cls.objects.update(status='a')",
    ],
)
def test_calls(find: Find, code: str) -> None:
    [finding] = find(code, head="from tests.app.models import Order, Parcel\n")
    assert (finding.kind, finding.what, finding.path) == ("call", "no event", "shop/code.py")


@pytest.mark.parametrize(
    "code",
    [
        "Parcel.objects.update(status='a')",
        "Parcel.objects.filter(pk=1).bulk_create([])",
        "Customer.objects.update(name='a')",
        "update(status='a')",
        "Order.objects.create(status='a')",
        "Order.objects.get(pk=1).extra.update(a=1)",
        "order = Order.objects.get(pk=1)\norder.extra.update(a=1)\norder.update(a=1)",
        "row = Order.objects.values().first()\nrow.update(a=1)",
        "Order.objects.update_or_create(status='a')",
        "orders = Order.objects.all()\norders = {}\norders.update(status='a')",
        "orders = Order.objects.all()\ndef f(orders):\n    orders.update(status='a')",
        "def f():\n    orders = Order.objects.all()\norders.update(status='a')",
        "Order.DoesNotExist.update(status='a')",
        "class Other:\n    @classmethod\n    def f(cls):\n        cls.objects.update(status='a')",
        "self.update(a=1)",
        "names['x'].update(a=1)",
        "x.lines[0].update(a=1)",
    ],
)
def test_other_calls(find: Find, code: str) -> None:
    assert find(code, head="from tests.app.models import Order, Parcel, Customer\n") == []


def test_actions_that_are_not_published(find: Find) -> None:
    assert find("Order.objects.update(status='a')", "created") == []
    assert find("Order.objects.bulk_create([])", "updated") == []
    assert find("Order.objects.all()._raw_delete('x')", "updated") == []


def test_what_is_told(find: Find) -> None:
    [finding] = find("\n\nOrder.objects.filter(status='secret').all().update(status='b')")
    assert (finding.where, finding.line) == ("Order.objects.filter(…).all().update(…)", 4)
    [finding] = find("(a or b).x[1].orders.update(status='b')")
    assert finding.where == "….orders.update(…)"


class TestImports:
    def test_under_another_name(self, find: Find) -> None:
        assert len(find("O.objects.update(status='a')", head="from tests.app.models import Order as O\n")) == 1
        assert len(find("Order.objects.update(status='a')", head="from .models import Order\n")) == 1

    def test_another_class_of_that_name(self, find: Find) -> None:
        assert find("Order.objects.update(status='a')", head="from elsewhere.models import Order\n") == []


class TestRelatedManagers:
    @pytest.mark.parametrize(
        "code",
        [
            "customer.orders.update(status='a')",
            "Customer.objects.get(pk=1).orders.filter(pk=2).update(status='a')",
            "customer.orders.bulk_create([1])",
            "tag.orders.bulk_update(rows, ['status'])",
        ],
    )
    def test_may_be_of_the_model(self, find: Find, code: str) -> None:
        [finding] = find(code)
        assert finding.what == "perhaps no event"

    @pytest.mark.parametrize(
        "code",
        [
            "customer.parcels.update(status='a')",
            "self.orders.update({'a': 1})",
            "self.orders.update()",
            "self.orders.add(order)",
        ],
    )
    def test_or_publish_or_are_something_else(self, find: Find, code: str) -> None:
        assert find(code) == []


class TestQuerySets:
    """A queryset or a manager of the project's own, whose methods write through self."""

    @pytest.mark.parametrize(("base", "holes"), [("QuerySet", 1), ("PublishingQuerySet", 0)])
    def test_self(self, find: Find, monkeypatch: pytest.MonkeyPatch, base: str, holes: int) -> None:
        from django.db import models

        from django_redis_bus import querysets
        from tests.app.models import Order

        kind = type(
            "OrderQuerySet", (getattr(querysets, base, None) or getattr(models, base),), {"__module__": "tests"}
        )
        manager = kind.as_manager()
        manager.model, manager.name = Order, "own"
        monkeypatch.setitem(vars(Order._meta), "managers", (*Order._meta.managers, manager))
        code = f"""
            class OrderQuerySet({base}):
                def pay(self):
                    return self.filter(status="new").update(status="paid")

            class Other:
                def pay(self):
                    return self.update(status="paid")
        """
        assert len(find(code)) == holes


class TestConflicts:
    def test_are_refused_by_a_publishing_manager(self, find: Find) -> None:
        [finding] = find("Parcel.objects.bulk_create([], ignore_conflicts=True)", head="")
        assert finding.what == "ignore_conflicts is refused"
        assert "muted" in finding.mend
        assert find("Parcel.objects.bulk_create([], ignore_conflicts=True)", "deleted", head="") == []


class TestSql:
    @pytest.mark.parametrize(
        "code",
        [
            "cursor.execute('UPDATE tests_app_order SET status = %s', [1])",
            "cursor.execute('insert into tests_app_order values (1)')",
            "cursor.execute('INSERT IGNORE INTO `tests_app_order` VALUES (1)')",
            'x = "DELETE FROM ONLY \\"tests_app_order\\" WHERE id = 1"',
            'x = \'TRUNCATE TABLE "public"."tests_app_order"\'',
            "x = f'UPDATE tests_app_order SET status = {status}'",
            "x = '''\n  MERGE INTO\n tests_app_order'''",
            "cursor.copy('COPY tests_app_order FROM STDIN')",
        ],
    )
    def test_that_writes(self, find: Find, code: str) -> None:
        [finding] = find(code)
        assert (finding.kind, finding.what) == ("sql", "SQL makes no event")

    @pytest.mark.parametrize(
        "code",
        [
            "cursor.execute('SELECT * FROM tests_app_order')",
            "cursor.execute('UPDATE tests_app_orderline SET count = 1')",
            "cursor.execute('DELETE FROM tests_app_order_tags')",
            "def f():\n    'This is to UPDATE tests_app_order.'",
            "x = b'UPDATE tests_app_order SET a = 1'",
            "x = f'{a}{Order.objects.count()}'",
        ],
    )
    def test_that_does_not(self, find: Find, code: str) -> None:
        assert find(code) == []

    def test_is_shown_in_short(self, find: Find) -> None:
        [finding] = find(f"x = 'UPDATE  tests_app_order SET {'status, ' * 20}'")
        assert len(finding.where) == 60
        assert finding.where.startswith("UPDATE tests_app_order SET status, ")


def test_files_of_the_projects_own_apps(tmp_path: Path) -> None:
    # Given an app with files of every kind
    class Shop(AppConfig):
        path = str(tmp_path / "shop")

    for name in (
        "models.py", "views/orders.py", "migrations/0001_initial.py", "tests/test_orders.py", "test_views.py",
        "conftest.py", "notes.txt",
    ):  # fmt: skip
        file = tmp_path / "shop" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    # When it is looked for files beside installed packages, among them this one
    found = sources([Shop("shop", None), *(a for a in apps.get_app_configs() if a.label != "tests_app")])
    # Then those are found that run in production
    assert [path.name for path in found] == ["models.py", "orders.py"]
    assert not any(path.is_relative_to(sysconfig.get_path("purelib")) for path in found)
