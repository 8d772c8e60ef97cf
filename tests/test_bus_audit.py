"""manage.py bus_audit."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from django_redis_bus.management.commands import bus_audit

Audit = Callable[..., str]
ENTRY = {"MODEL": "tests_app.Order", "TOPIC": "events:order", "ACTIONS": ["created", "updated"]}
CODE = """
from tests.app.models import Order

Order.objects.filter(pk=1).update(status="paid")
SQL = "DELETE FROM tests_app_order"
"""


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A project whose code is one file, shop.py."""
    monkeypatch.setattr(bus_audit, "sources", lambda apps: [tmp_path / "shop.py"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").write_text(CODE)
    return tmp_path


@pytest.fixture
def audit() -> Audit:
    """What the command writes: audit("--fail")."""

    def run(*arguments: str) -> str:
        out = StringIO()
        call_command("bus_audit", *arguments, stdout=out, no_color=True)
        return out.getvalue()

    return run


@pytest.mark.usefixtures("project")
class TestText:
    def test_each_way_with_its_mend(self, bus_settings: Any, audit: Audit) -> None:
        bus_settings(
            PUBLISHERS={"orders": ENTRY},
            others={
                "eu": {"LOCATION": "redis://127.0.0.1:1", "PUBLISHERS": {"abroad": ENTRY | {"ACTIONS": ["deleted"]}}}
            },
        )
        assert (
            audit()
            == """\
tests_app.Order, published by orders, abroad of bus eu (created, deleted, updated)
  Order.objects (the default manager): bulk_create, bulk_update and update make no events.
      Use PublishingManager, or a manager of a queryset based on PublishingQuerySet.
  Order.customer: Customer.orders.add() updates it through the base manager, without events.
      Name a publishing manager for it: class Meta: base_manager_name = "objects".
  shop.py:4  Order.objects.filter(…).update(…): no event.
  shop.py:5  DELETE FROM tests_app_order: SQL makes no event.
      Use a publishing manager or save() and delete(), or publish by hand.

4 ways to write to 1 published model without an event.
"""
        )

    def test_nothing_found(self, bus_settings: Any, audit: Audit) -> None:
        bus_settings(PUBLISHERS={"notices": ENTRY | {"MODEL": "tests_app.Notice"}})
        assert (
            audit()
            == """\
tests_app.Notice, published by notices (created, updated)
  Nothing found.

No way was found to write to 1 published model without an event.
"""
        )

    def test_nothing_published(self, bus_settings: Any, audit: Audit) -> None:
        assert audit() == "No model is published.\n"

    def test_one_bus(self, bus_settings: Any, audit: Audit) -> None:
        bus_settings(PUBLISHERS={"orders": ENTRY}, others={"eu": {"LOCATION": "redis://127.0.0.1:1"}})
        assert audit("--bus", "eu") == "No model is published.\n"
        assert "tests_app.Order, published by orders" in audit("--bus", "default")
        with pytest.raises(CommandError, match="REDIS_BUS has no alias 'us'"):
            audit("--bus", "us")

    def test_a_file_that_is_no_python(self, bus_settings: Any, audit: Audit, project: Path) -> None:
        bus_settings(PUBLISHERS={"notices": ENTRY | {"MODEL": "tests_app.Notice"}})
        for content in (b"def", b"\xff\xfe\xff", b"x = '\0'"):
            (project / "shop.py").write_bytes(content)
            assert "shop.py cannot be read as Python." in audit()


def test_json(bus_settings: Any, audit: Audit, project: Path) -> None:
    bus_settings(PUBLISHERS={"orders": ENTRY | {"ACTIONS": ["deleted"]}})
    assert json.loads(audit("--json")) == {
        "models": [
            {
                "model": "tests_app.Order",
                "publishers": [{"bus": "default", "name": "orders"}],
                "actions": ["deleted"],
                "findings": [
                    {
                        "kind": "sql",
                        "where": "DELETE FROM tests_app_order",
                        "what": "SQL makes no event",
                        "mend": "Use a publishing manager or save() and delete(), or publish by hand.",
                        "path": "shop.py",
                        "line": 5,
                    }
                ],
            }
        ],
        "unread": [],
    }
    (project / "shop.py").write_text("def")
    assert json.loads(audit("--json"))["unread"] == ["shop.py"]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("arguments", [(), ("--json",)], ids=str)
def test_fail(bus_settings: Any, audit: Audit, arguments: tuple[str, ...]) -> None:
    bus_settings(PUBLISHERS={"notices": ENTRY | {"MODEL": "tests_app.Notice"}})
    audit("--fail", *arguments)
    bus_settings(PUBLISHERS={"orders": ENTRY})
    with pytest.raises(SystemExit) as ended:
        audit("--fail", *arguments)
    assert ended.value.code == 1


def test_it_asks_neither_a_database_nor_redis(bus_settings: Any, audit: Audit) -> None:
    # A test without access to a database, and a server that is not there
    bus_settings(LOCATION="redis://127.0.0.1:1", PUBLISHERS={"orders": ENTRY})
    assert "tests_app.Order" in audit()
