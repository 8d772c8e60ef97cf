"""manage.py bus_dead as an operator uses it at night."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from django_redis_bus.operations import acting, dead
from tests.operations.ward import Ward
from tests.terminal import run

HERE = "events:order"


@pytest.fixture
def ward(bus_settings: Callable[..., None], redis_client: redis.Redis, prefix: str) -> Ward:
    return Ward(redis_client, prefix)


def test_the_list(ward: Ward) -> None:
    [first] = ward.bury(*ward.read(ce_partitionkey="k7"), error="Timeout: \x1b[31mgateway", attempts=1)
    [second] = ward.dead(reason="rejected", last="")

    ran = run("bus_dead", "list", HERE)

    assert ran.out.splitlines() == [
        "events:order: 2 dead letters, the newest first",
        f"{second}  -  billing: rejected after 5 runs  shop.order.created",
        "    ValueError: no",
        f"{first}  2026-11-22 22:59:50Z  billing: exhausted after 1 run  shop.order.created k7",
        "    Timeout: �[31mgateway",
    ]


def test_the_list_page_by_page_and_filtered(ward: Ward) -> None:
    made = ward.dead(3, error="Timeout: x") + ward.bury(*ward.read(ce_type="t"), group="mail", reason="rejected")

    first = run("bus_dead", "list", HERE, "--count", "2")
    assert first.out.splitlines()[-1] == f"There may be more: --after {made[2]}"
    assert made[1] in run("bus_dead", "list", HERE, "--after", made[2]).out
    for arguments, wanted in (
        (["--text", "timeout"], made[:3][::-1]),
        (["--group", "mail"], made[3:]),
        (["--reason", "rejected"], made[3:]),
        (["--type", "t"], made[3:]),
    ):
        listed = run("bus_dead", "list", HERE, "--json", *arguments).json
        assert [each["dead_id"] for each in listed["items"]] == wanted


def test_one_of_them(ward: Ward) -> None:
    [entry_id] = ward.read(ce_tenant="ac\x1bme")
    [dead_id] = ward.bury(entry_id, traceback="Traceback\n  \x1b[31mboom")

    assert run("bus_dead", "show", HERE, dead_id).out.splitlines() == [
        f"dead letter:    {dead_id}",
        "given up by:    group billing, consumer web-1",
        "reason:         exhausted",
        "error:          ValueError: no",
        "runs:           5",
        "first failed:   2026-11-22 22:59:44Z",
        "given up:       2026-11-22 22:59:50Z",
        f"entry:          {entry_id}, still in the stream",
        "event:          e0",
        "type:           shop.order.created",
        "source:         shop",
        "time:           2026-11-22T08:00:00Z",
        "content-type:   application/json",
        "tenant:         ac�me",
        "cannot be read: undecodable: ce_id is empty, or an attribute holds control characters",
        "data:",
        "    {",
        '      "id": 0',
        "    }",
        "traceback:",
        "    Traceback",
        "      �[31mboom",
    ]
    [found] = run("bus_dead", "show", HERE, dead_id, "--json").json
    assert (found["dead_id"], found["in_stream"]) == (dead_id, True)
    missing = run("bus_dead", "show", HERE, "1-1")
    assert (missing.code, missing.error) == (1, "Stream 'events:order' has no dead letter '1-1'.")


@pytest.mark.parametrize(("action", "said"), [("redrive", "3 sent back."), ("discard", "3 thrown away.")])
def test_all_that_match(ward: Ward, action: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    ward.dead(3)
    ward.dead(reason="rejected")
    caplog.set_level(logging.INFO, "django_redis_bus.operations")

    ran = run("bus_dead", action, HERE, "--group", "billing", "--reason", "exhausted", "--yes")

    assert (ran.out, ran.code) == (f"{said}\n", 0)
    assert (
        caplog.records[-1].getMessage().startswith(f"{action} dead letters (group 'billing', reason 'exhausted') by ")
    )
    assert len(ward.letters()) == 1
    assert len(ward.pending()) == (3 if action == "redrive" else 0)


def test_it_names_the_count_and_asks(ward: Ward) -> None:
    made = ward.dead(2)

    assert run("bus_dead", "redrive", HERE, "--group", "billing", answer="n").err == (
        "Send 2 dead letters of events:order back to group billing? [y/N] "
    )
    assert run("bus_dead", "redrive", HERE, "--all", answer="n").err == (
        "Send 2 dead letters of events:order back to their groups? [y/N] "
    )
    assert run("bus_dead", "discard", HERE, made[0], answer="n").err == (
        "Throw 1 dead letter of events:order away for good? [y/N] "
    )
    assert run("bus_dead", "discard", HERE, "--all").code == 2
    assert list(ward.letters()) == made


def test_what_cannot_be_sent_back(ward: Ward) -> None:
    made = ward.dead(2)
    ward.client.xgroup_destroy(ward.key, ward.group)

    for arguments in (["--all"], made):
        ran = run("bus_dead", "redrive", HERE, *arguments, "--yes")
        assert ran.out == "0 sent back.\n2 left alone: its group is not there; start a consumer of it.\n"
        assert ran.code == 1


def test_more_than_are_done_in_one_go(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "AT_ONCE", 100)
    ward.dead(250)

    assert run("bus_dead", "redrive", HERE, "--all", "--yes").out == "250 sent back.\n"


# --- resend


def test_a_corrected_copy(ward: Ward, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "django_redis_bus.operations")
    first, second = ward.dead(2)

    ran = run("bus_dead", "resend", HERE, first, "--data", '{"id": 7}', answer="y")
    assert ran.err == f"Send a corrected copy of dead letter {first} to group billing, and remove the letter? [y/N] "
    assert ran.out.startswith("Sent: added as entry ")
    piped = run("bus_dead", "resend", HERE, second, "--data", "-", "--everyone", "--yes", "--json", stdin='{"id": 8}')

    assert piped.json["entry_id"] == list(ward.entries())[-1]
    assert [fields[b"data"] for fields in ward.entries().values()][-2:] == [b'{"id":7}', b'{"id":8}']
    assert ward.letters() == {}
    assert f"resend dead letter {first} to group billing by " in caplog.records[0].getMessage()
    again = run("bus_dead", "resend", HERE, first, "--data", "1", "--yes")
    assert (again.code, again.error) == (1, f"Stream 'events:order' has no dead letter '{first}'.")


def test_a_copy_that_does_not_fit(ward: Ward, declare: Callable[..., Any]) -> None:
    declare(HERE, payload=dict[str, int])
    [letter] = ward.dead()

    for data, what in (("{", "--data is no JSON"), ('{"id": "x"}', "Expected `int`, got `str`")):
        ran = run("bus_dead", "resend", HERE, letter, "--data", data, "--yes")
        assert ran.code == 2
        assert what in ran.error
    assert list(ward.letters()) == [letter]


# --- export


def test_export(ward: Ward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "django_redis_bus.operations")
    monkeypatch.setattr(dead, "AT_ONCE", 100)
    made = ward.dead(250)
    ward.dead(reason="rejected")
    file = tmp_path / "letters.jsonl"

    printed = run("bus_dead", "export", HERE, "--reason", "exhausted")
    written = run("bus_dead", "export", HERE, "--reason", "exhausted", "--output", str(file))

    assert [json.loads(line)["dead_id"] for line in printed.out.splitlines()] == made
    assert file.read_text() == printed.out
    assert file.stat().st_mode & 0o077 == 0
    assert (written.out, written.err) == ("", "250 dead letters written.\n")
    assert caplog.records[-1].getMessage().endswith(": 250 written")
    assert len(ward.letters()) == 251
    # No file is written over
    again = run("bus_dead", "export", HERE, "--output", str(file))
    assert (again.code, again.error) == (1, f"{file} cannot be written: File exists.")
    assert len(run("bus_dead", "export", HERE, "--after", made[-1]).out.splitlines()) == 1


# --- what it refuses


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["list", "events:ordr"], "There is no stream 'events:ordr'. Did you mean 'events:order'?"),
        (["redrive", "events:ordr", "--all", "--yes"], "There is no stream 'events:ordr'"),
        (["export", "events:ordr"], "There is no stream 'events:ordr'"),
        (["redrive", "events:ordr", "1-1", "--yes"], "There is no stream 'events:ordr'"),
        (["show", "events:ordr", "1-1"], "There is no stream 'events:ordr'"),
        (["list", HERE, "--reason", "exhaustd"], "No dead letter has reason 'exhaustd'. Did you mean 'exhausted'?"),
        (["redrive", HERE, "--reason", "x", "--yes"], "has reason 'x'. Known: 'crashed', 'exhausted', "),
        (["redrive", HERE, "17", "--yes"], "'17' is no entry id"),
        (["redrive", HERE], "Say what to redrive"),
        (["discard", HERE, "1-1", "--all"], "Say what to discard"),
        (["discard", HERE, "--all", "--group", "billing"], "Say what to discard"),
        (["list", HERE, "1-1"], "list takes filters"),
        (["export", HERE, "--all"], "export takes filters"),
        (["show", HERE], "show takes the ids"),
        (["show", HERE, "1-1", "--group", "x"], "show takes the ids"),
        (["resend", HERE, "1-1"], "resend takes the id of one dead letter, and --data"),
        (["resend", HERE, "1-1", "2-2", "--data", "1"], "resend takes the id of one"),
        (["list", HERE, "--data", "1"], "--data and --everyone go with resend"),
        (["list", HERE, "--everyone"], "--data and --everyone go with resend"),
        (["list", HERE, "--output", "x"], "--output goes with export"),
    ],
)
def test_a_wrong_command_line_is_told(ward: Ward, declare: Any, arguments: list[str], what: str) -> None:
    declare(HERE)
    ward.dead()

    ran = run("bus_dead", *arguments)

    assert what in ran.error
    assert ran.code == 2
    assert len(ward.letters()) == 1


def test_a_stream_without_dead_letters(ward: Ward) -> None:
    ward.add()

    assert run("bus_dead", "list", HERE).out == "events:order: 0 dead letters\n"
    assert run("bus_dead", "redrive", HERE, "--all").out == "Nothing matches.\n"
    assert run("bus_dead", "export", HERE).err == "0 dead letters written.\n"


def test_redis_is_away(bus_settings: Callable[..., None]) -> None:
    bus_settings(LOCATION="redis://user:secret@127.0.0.1:1")

    for arguments in (["list"], ["show", "1-1"], ["redrive", "--all", "--yes"], ["export"]):
        ran = run("bus_dead", arguments[0], HERE, *arguments[1:])
        assert ran.code == 1
        assert "does not answer" in ran.error
        assert "secret" not in ran.error
