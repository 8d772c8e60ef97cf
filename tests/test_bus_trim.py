"""manage.py bus_trim."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import redis

from django_redis_bus.core.config import Retention
from django_redis_bus.operations import trimming
from tests.operations.ward import Ward
from tests.terminal import run

HERE = "events:order"


@pytest.fixture
def ward(bus_settings: Callable[..., None], redis_client: redis.Redis, prefix: str) -> Ward:
    """A stream of 100 entries, 60 of which its group has handled."""
    made = Ward(redis_client, prefix)
    made.add(100)
    made.make_group()
    [[_, entries]] = redis_client.xreadgroup("billing", "web-1", {made.key: ">"}, count=60)
    redis_client.xack(made.key, "billing", *(entry_id for entry_id, _ in entries))
    return made


def test_a_dry_run_tells_what_would_go(ward: Ward) -> None:
    ran = run("bus_trim", HERE, "--count", "10", "--dry-run")

    assert (ran.out, ran.code) == (
        "59 entries would be removed: events:order keeps the newest 10. 31 more are held by group billing.\n", 0,
    )  # fmt: skip
    assert run("bus_trim", HERE, "--count", "40", "--dry-run").out.endswith(" 1 more is held by group billing.\n")
    assert run("bus_trim", HERE, "--count", "41", "--dry-run").out.endswith(" keeps the newest 41.\n")
    assert run("bus_trim", HERE, "--count", "10", "--dry-run", "--json").json == {
        "removable": {"number": 59, "at_least": False}, "removed": 0,
        "held": {"number": 31, "at_least": False}, "held_by": "billing",
    }  # fmt: skip
    assert len(ward.entries()) == 100


def test_it_names_the_count_asks_and_removes(ward: Ward, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "django_redis_bus.operations")

    asked = run("bus_trim", HERE, "--count", "90", answer="n")
    assert asked.err == "Remove 10 entries of events:order for good? It keeps the newest 90. [y/N] "
    assert (asked.code, len(ward.entries())) == (1, 100)
    assert run("bus_trim", HERE, "--count", "90").code == 2

    assert run("bus_trim", HERE, "--count", "90", "--yes").out == "10 entries removed.\n"
    assert run("bus_trim", HERE, "--count", "10", answer="y").out == "49 entries removed.\n"
    assert len(ward.entries()) == 41
    assert "trim to the newest 90 by " in caplog.records[0].getMessage()
    assert caplog.records[0].getMessage().endswith(": 10 removed")
    assert run("bus_trim", HERE, "--count", "10").out == (
        "Nothing is to be removed: events:order keeps the newest 10, and what a group still needs. "
        "31 more are held by group billing.\n"
    )


def test_by_age(ward: Ward) -> None:
    assert "keeps what is younger than 7 d" in run("bus_trim", HERE, "--age", "7d", "--dry-run").out


def test_by_what_is_declared(ward: Ward, declare: Callable[..., Any]) -> None:
    undeclared = run("bus_trim", HERE)
    assert (undeclared.code, undeclared.error) == (
        2, "Nothing declares stream 'events:order': say what it keeps by --count or --age.",
    )  # fmt: skip
    declare(HERE, retention=Retention(count=70))

    assert run("bus_trim", HERE, "--dry-run").out.startswith("30 entries would be removed")


def test_as_many_visits_as_it_takes(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given visits that end after the first step
    trim = trimming.trim
    calls: list[int] = []

    def short(asking: Any, topic: str, retention: Retention) -> int:
        kept = Retention(count=max(retention.count or 0, 80 - 20 * len(calls)))
        calls.append(trim(asking, topic, kept))
        return calls[-1]

    monkeypatch.setattr(trimming, "trim", short)

    assert run("bus_trim", HERE, "--count", "50", "--yes").out == "50 entries removed.\n"
    assert calls == [20, 20, 10, 0]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["events:ordr"], "There is no stream 'events:ordr'"),
        (["events:ordr", "--count", "1"], "There is no stream 'events:ordr'"),
        ([HERE, "--count", "-1"], "--count: invalid whole number from 0"),
        ([HERE, "--age", "old"], "--age: invalid time such as 90 or 5m"),
        ([HERE, "--age", "0"], "must be more than 0 seconds"),
    ],
)
def test_a_wrong_command_line_is_told(ward: Ward, arguments: list[str], what: str) -> None:
    ran = run("bus_trim", *arguments, "--yes")

    assert what in ran.error
    assert ran.code in (1, 2)
    assert len(ward.entries()) == 100


def test_redis_is_away(bus_settings: Callable[..., None]) -> None:
    bus_settings(LOCATION="redis://127.0.0.1:1")

    assert run("bus_trim", HERE, "--count", "1", "--yes").code == 1
