"""What is wrong with streams and groups: one test per id, and what is not wrong."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.core.config import Retention
from django_redis_bus.operations import pausing, streams
from django_redis_bus.operations.groups import GroupReport, HandlerReport
from django_redis_bus.operations.health import Finding, worst_first
from django_redis_bus.operations.pausing import Pause
from django_redis_bus.operations.stream_health import of_stream
from django_redis_bus.operations.streams import StreamReport
from django_redis_bus.operations.values import Count
from tests.operations.seeing import HOSTILE
from tests.operations.ward import Ward
from tests.terminal import run

NOW_MS = 1_800_000_000_000
HANDLER = HandlerReport(name="shop.charge", types=(), idempotent=False, max_attempts=10)


def group(**facts: Any) -> GroupReport:
    """A group of this project that is up to date and consumed."""
    healthy = {"name": "billing", "exists": True, "handlers": (HANDLER,), "alive": 1, "last_alive_s": 1.0}
    return GroupReport(**healthy | facts)


def stream(*groups: GroupReport, **facts: Any) -> StreamReport:
    healthy: dict[str, Any] = {
        "topic": "events:order", "declaration": "events:order", "exists": True, "length": 10,
        "last_id": f"{NOW_MS - 1_000}-0", "retention": Retention(),
    }  # fmt: skip
    return StreamReport(**healthy | facts, groups=groups)


def findings(report: StreamReport) -> list[Finding]:
    return list(of_stream(report, key="shop:events:order", now_ms=NOW_MS))


def wrong(*groups: GroupReport, **facts: Any) -> list[tuple[str, str]]:
    return [(finding.id, finding.level) for finding in findings(stream(*groups, **facts))]


def test_nothing_is_wrong_with_a_stream_that_is_worked_on() -> None:
    assert wrong(group(pending=5, unread=Count(500), oldest_s=10.0, retrying=3)) == []
    assert wrong(group(alive=0, handlers=())) == []


def test_a_key_of_another_type() -> None:
    assert wrong(trouble="The key is of another type: string.", dead=7) == [("wrong-type", "error")]


def test_a_key_that_is_not_permitted() -> None:
    assert wrong(trouble="refuses this user", exists=False) == [("refused", "error")]


def test_ids_ahead_of_the_clock() -> None:
    assert wrong(last_id=f"{NOW_MS + 61_000}-0") == [("clock", "warning")]
    assert wrong(last_id=f"{NOW_MS + 59_000}-0") == []


def test_dead_letters() -> None:
    [finding] = findings(stream(dead=1))

    assert (finding.id, finding.level) == ("dead", "warning")
    assert finding.title == "Stream events:order has 1 dead letter."
    assert "bus_dead" in finding.hint


@pytest.mark.parametrize(("length", "level"), [(10, "error"), (0, "warning")])
def test_handlers_that_nobody_has_ever_run(length: int, level: str) -> None:
    assert wrong(group(exists=False, alive=0, unread=Count(length)), length=length) == [("unconsumed", level)]


@pytest.mark.parametrize(("unread", "level"), [(7, "error"), (0, "warning")])
def test_a_group_without_a_live_consumer(unread: int, level: str) -> None:
    [finding] = findings(stream(group(alive=0, last_alive_s=7_200.0, unread=Count(unread))))

    assert (finding.id, finding.level, finding.group) == ("no-consumer", level, "billing")
    assert "for 2 hours" in finding.title
    assert finding.hint == "manage.py consume_stream events:order --group billing"


def test_a_group_of_nobody_with_a_backlog() -> None:
    theirs = group(handlers=(), alive=0, last_alive_s=None, unread=Count(7))

    assert wrong(theirs) == [("unknown-group", "warning")]
    assert wrong(theirs, declaration="") == []


def test_a_group_that_holds_back_trimming() -> None:
    dead = group(alive=0, unread=Count(900), oldest_s=900.0)

    assert wrong(dead, length=1_000, retention=Retention(count=500)) == [("no-consumer", "error"), ("pins", "warning")]
    assert ("pins", "warning") in wrong(dead, retention=Retention(count=None, age_s=600))
    assert ("pins", "warning") not in wrong(dead, length=1_000, retention=Retention(count=1_000))
    gone = group(alive=0, unread=Count(900), last_alive_s=8 * 86_400.0)
    assert ("pins", "warning") not in wrong(gone, length=1_000, retention=Retention(count=500))


def test_a_handler_that_hangs() -> None:
    assert wrong(group(longest_s=301.0, pending=1)) == [("hanging", "warning")]
    assert wrong(group(longest_s=299.0, pending=1)) == []


def test_events_that_should_have_been_handled() -> None:
    assert wrong(group(oldest_s=301.0, pending=1)) == [("late", "warning")]
    assert wrong(group(oldest_s=301.0, unread=Count(1))) == [("late", "warning")]
    # What waits for a retry has been tried, and what is paused is meant to wait.
    assert wrong(group(oldest_s=301.0, pending=3, retrying=3)) == []
    assert wrong(group(oldest_s=301.0, unread=Count(1), pause=Pause(group="billing"))) == [("paused", "warning")]


def test_many_retries() -> None:
    assert wrong(group(retrying=100, pending=100)) == [("retries", "warning")]
    assert wrong(group(retrying=99, pending=99)) == []


def test_what_is_paused_says_who_did_it_and_why() -> None:
    handler = HandlerReport(
        name="shop.charge", types=(), idempotent=False, max_attempts=1,
        pause=Pause(group="billing", handler="shop.charge", by="bob"),
    )  # fmt: skip
    [first, second] = findings(stream(group(handlers=(handler,), pause=Pause(group="billing", by="ann", why="x"))))

    assert [first.id, second.id] == ["paused", "paused"]
    assert first.title.endswith("it is paused by ann: x.")
    assert second.title.endswith("handler shop.charge is paused by bob.")
    assert first.hint.endswith("or: manage.py bus_pause resume events:order billing")
    assert second.hint.endswith("or: manage.py bus_pause resume events:order billing --handler shop.charge")


def test_what_a_finding_says_to_type_resumes_what_is_paused(ward: Ward, declare: Callable[..., Any]) -> None:
    topic, name = ward.topic, "the-group's"
    declare(topic)
    ward.make_group(name)
    pausing.pause(ward.asking(), topic, name, by="ann")
    report = streams.stream(ward.asking(), topic)
    [hint] = [found.hint for found in of_stream(report, key="k", now_ms=ward.now_ms()) if found.id == "paused"]
    assert run(*shlex.split(hint.partition("manage.py ")[2])).code == 0
    assert pausing.pauses(ward.asking(), topic) == ()


def test_names_from_the_wire_can_neither_be_obeyed_by_a_terminal_nor_by_a_shell() -> None:
    evil = group(name=f"$(reboot); {HOSTILE}", alive=0, unread=Count(900))
    found = findings(stream(evil, topic=HOSTILE, length=10**6, dead=1, retention=Retention(count=5)))

    assert len(found) == 3
    assert all(finding.title.isprintable() and finding.hint.isprintable() for finding in found)
    assert all("'$(reboot); " in finding.hint for finding in found[1:])


def test_errors_come_first() -> None:
    made = [
        Finding(level=level, id=str(n), title="", hint="") for n, level in enumerate(["warning", "error", "warning"])
    ]  # type: ignore[arg-type]

    assert [finding.id for finding in worst_first(made)] == ["1", "0", "2"]
