"""manage.py relay_outbox as its users meet it: what it says, takes, refuses, and how it ends."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command

from django_redis_bus.models import OutboxEvent
from django_redis_bus.outbox import table
from django_redis_bus.outbox.rows import now_ms
from tests.outbox.conftest import Outbox, Put, ids, outbox, put
from tests.servers import Server

__all__ = ["outbox", "put"]  # fixtures

pytestmark = pytest.mark.databases("default", transaction=True, also=["other"])

SENT, PARKED = OutboxEvent.State.SENT, OutboxEvent.State.PARKED


def run(*arguments: str) -> str:
    """Run the command here and return what it printed."""
    out = io.StringIO()
    call_command("relay_outbox", *arguments, stdout=out)
    return out.getvalue()


# --- what it does and says


@pytest.mark.databases(transaction=True)
def test_a_burst_ships_what_is_due_and_says_so(put: Put, outbox: Outbox, server: Server, database: str) -> None:
    rows = put(3)

    said = run("--burst", "--database", database)

    assert outbox.sent() == ids(rows)
    assert f"Outbox of database {database}: to bus default on {server.url}" in said
    assert "Stopped: 3 published, 0 put aside for another try, 0 parked." in said
    assert "Left" not in said


def test_all_databases_that_have_an_outbox_are_relayed(put: Put, outbox: Outbox) -> None:
    put(1)

    said = run("--burst")

    assert "Outbox of database default: to bus default" in said
    assert "Outbox of database other: to bus default" in said
    assert outbox.states() == ["SENT"]


def test_a_burst_that_leaves_something_ends_with_1(put: Put, outbox: Outbox) -> None:
    put(1)
    put(2, state=PARKED)
    put(3, attempts=1, due_in_ms=60_000)
    out = io.StringIO()

    with pytest.raises(SystemExit) as caught:
        call_command("relay_outbox", "--burst", stdout=out)

    assert caught.value.code == 1
    assert "Left: 3 pending, 2 parked. See relay_outbox --status." in out.getvalue()


def test_only_one_bus(put: Put, outbox: Outbox, bus_settings: Any, server: Server) -> None:
    bus_settings(others={"eu": {"LOCATION": server.url}})
    put(1, bus="eu")
    put(1)

    run("--burst", "--bus", "default")

    assert outbox.states() == ["PENDING", "SENT"]


# --- repairs


def test_what_was_sent_since_a_while_is_sent_again(
    put: Put, outbox: Outbox, redis_client: redis.Redis, prefix: str
) -> None:
    old = put(1, state=SENT, due_in_ms=-3_600_000)
    rows = put(3)
    run("--burst")
    redis_client.delete(*redis_client.keys(f"*{prefix}*"))

    said = run("--burst", "--republish-since", "15m")

    assert "Database default: 3 sent events are pending again." in said
    assert outbox.sent() == ids(rows)
    assert old


def test_what_redis_still_has_is_not_added_twice(put: Put, outbox: Outbox) -> None:
    rows = put(3)
    run("--burst")

    run("--burst", "--republish-since", "2020-01-01T00:00:00Z")

    assert outbox.sent() == ids(rows)
    assert outbox.states() == ["SENT"] * 3


def test_parked_events_are_tried_again(put: Put, outbox: Outbox) -> None:
    rows = put(2, state=PARKED, attempts=10)

    said = run("--burst", "--retry-parked")

    assert "Database default: 2 parked events are pending again." in said
    assert outbox.sent() == ids(rows)


# --- status


def test_status_shows_what_lies_there(put: Put) -> None:
    put(1_200)
    put(1, attempts=1, created_ms=now_ms() - 90_000)
    put(2, state=1, due_in_ms=60_000)
    parked = put(21, state=PARKED, attempts=10, error="Redis refused: WRONGTYPE")

    said = run("--status")

    assert (
        "Database default, bus default: 1,201 pending, 1 failing, the oldest 90 s old; 2 scheduled; 0 sent; 21 parked"
        in said
    )
    assert f"row {parked[0].id}, events:order, tests.events.order {parked[0].message.event_id}: parked " in said
    assert "after 10 attempts: Redis refused: WRONGTYPE" in said
    assert "… and 1 more" in said


def test_status_shows_what_waits_for_a_bus_that_is_not_there(put: Put) -> None:
    put(2, bus="gone")

    assert "Database default, bus gone (REDIS_BUS has no such alias): 2 pending" in run("--status")
    assert "gone" not in run("--status", "--bus", "default")


def test_status_as_json(put: Put, bus_settings: Any, server: Server) -> None:
    bus_settings(others={"eu": {"LOCATION": server.url}})
    put(2)
    parked = put(1, state=PARKED, attempts=10, error="e")[0]

    default, eu = json.loads(run("--status", "--json", "--database", "default"))

    assert default["oldest_pending_s"] < 60
    assert default | {"oldest_pending_s": 0} == {
        "database": "default",
        "bus": "default",
        "known": True,
        "pending": 2,
        "failing": 0,
        "oldest_pending_s": 0,
        "scheduled": 0,
        "sent": 0,
        "parked": 1,
        "parked_events": [
            {
                "row": parked.id,
                "event_id": parked.message.event_id,
                "type": "tests.events.order",
                "topic": "events:order",
                "attempts": 10,
                "at": default["parked_events"][0]["at"],
                "error": "e",
            }
        ],
    }
    assert (eu["bus"], eu["pending"], eu["oldest_pending_s"]) == ("eu", 0, None)


def test_status_needs_no_redis(put: Put, bus_settings: Any) -> None:
    bus_settings(LOCATION="unix:///tmp/nobody-is-here.sock")
    put(1)

    assert "1 pending" in run("--status")


# --- what it refuses


@pytest.mark.parametrize(
    ("arguments", "texts", "code"),
    [
        (["--database", "defualt"], ["'defualt'", "Did you mean 'default'?"], 2),
        (["--bus", "defualt"], ["'defualt'", "Did you mean 'default'?"], 2),
        (["--json"], ["--json goes with --status"], 2),
        (["--reload", "--burst"], ["--reload goes on and --burst ends"], 2),
        (["--reload", "--retry-parked"], ["--reload would repair again and again"], 2),
        (["--batch", "0"], ["whole number from 1 to 1000"], 1),
        (["--batch", "1001"], ["whole number from 1 to 1000"], 1),
        (["--poll", "0"], ["time of at least 0.01 seconds"], 1),
        (["--poll", "soon"], ["time of at least 0.01 seconds"], 1),
        (["--republish-since", "yesterday"], ["2026-11-22T08:00:00Z", "15m"], 1),
        (["--republish-since", "2026-11-22T08:00:00"], ["time with its zone"], 1),
    ],
)
def test_a_mistake_is_named_with_its_mend(put: Put, arguments: list[str], texts: list[str], code: int) -> None:
    with pytest.raises(CommandError) as caught:
        run(*arguments)

    for text in texts:
        assert text in str(caught.value)
    assert caught.value.returncode == code


def test_without_a_table_it_says_how_to_make_one(
    bus_settings: Any, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "exists", lambda alias: False)

    with pytest.raises(CommandError, match=r"No database has an outbox. Run: manage.py migrate django_redis_bus"):
        run()
    with pytest.raises(CommandError, match="--database default"):
        run("--database", "default")


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        call_command("relay_outbox", "--help")

    text = " ".join(capsys.readouterr().out.split())
    assert caught.value.code == 0
    assert "Example: manage.py relay_outbox" in text
