"""DELIVERY "outbox": kill -9 in the midst of a save."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from django_redis_bus.models import OutboxEvent
from tests.app.models import Order

ROOT = Path(__file__).parent.parent.parent
ORDERS = {"MODEL": "tests_app.Order", "TOPIC": "events:order"}
KILLED = """
import os, signal
from django.db.models.signals import post_save
from django_redis_bus import publishers
from tests.app.models import Order
def die(**kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
if {early}:
    publishers.disconnect()
post_save.connect(die, sender=Order)
publishers.connect()
Order.objects.create()
"""


@pytest.mark.databases(transaction=True)
@pytest.mark.parametrize(
    ("delivery", "early", "saved"),
    [
        pytest.param("outbox", True, 0, id="before the row is written"),
        pytest.param("outbox", False, 0, id="after the row is written"),
        pytest.param("on_commit", True, 1, id="without an outbox"),
    ],
)
def test_a_process_that_is_killed_in_between(
    database: str, process_env: Callable[..., dict[str, str]], delivery: str, early: bool, saved: int
) -> None:
    # Given a process that is killed while post_save is sent
    options = {"STREAMS": {"events:order": {}}, "PUBLISHERS": {"p": ORDERS | {"DELIVERY": delivery}}}
    env = process_env(default_database=database, BUS_TEST_OPTIONS=json.dumps(options))
    command = [sys.executable, "manage.py", "shell", "-c", KILLED.format(early=early)]
    assert subprocess.run(command, cwd=ROOT, env=env, check=False, timeout=60).returncode == -9
    # Then both rows are there or none; where there is no transaction, the save is there alone
    assert Order.objects.using(database).count() == saved
    assert OutboxEvent.objects.using(database).count() == 0
