"""manage.py bus_pending as an operator uses it at night."""

from __future__ import annotations

import getpass
import logging
from collections.abc import Callable
from typing import Any

import pytest
import redis

from django_redis_bus.operations import acting, pausing, pending
from tests.operations.ward import ALIVE, DEAD, Ward
from tests.servers import Server
from tests.terminal import run

HERE = ("events:order", "billing")


@pytest.fixture
def ward(bus_settings: Callable[..., None], redis_client: redis.Redis, prefix: str) -> Ward:
    return Ward(redis_client, prefix)


def test_the_list(ward: Ward) -> None:
    [running] = ward.running(ce_partitionkey="k7")
    [waiting] = ward.waiting(due_in_ms=119_000, error="Timeout: \x1b[31mgateway")
    [due] = ward.waiting(due_in_ms=-5)
    [silent] = ward.silent(idle_ms=240_000)
    [gone] = ward.silent(idle_ms=240_000)
    ward.trimmed(gone)

    ran = run("bus_pending", "list", *HERE)

    assert ran.out.splitlines() == [
        "events:order, group billing: 5 pending",
        f"{running}  running, run 1, with web-1  shop.order.created k7",
        f"{waiting}  waiting, run 1, due in 119 s, last with web-1  shop.order.created",
        "    Timeout: �[31mgateway",
        f"{due}  waiting, run 1, due now, last with web-1  shop.order.created",
        "    ValueError: no",
        f"{silent}  silent, run 1, with web-2, silent for 4 min  shop.order.created",
        f"{gone}  silent, run 1, with web-2, silent for 4 min  its payload is gone from the stream",
    ]
    assert ran.code == 0


def test_the_list_page_by_page_and_filtered(ward: Ward) -> None:
    ids = ward.waiting(3, error="Timeout: x") + ward.silent()

    first = run("bus_pending", "list", *HERE, "--count", "2")
    assert first.out.splitlines()[-1] == f"There may be more: --after {ids[1]}"
    assert ids[2] in run("bus_pending", "list", *HERE, "--after", ids[1]).out
    for arguments, wanted in (
        (["--error", "timeout"], ids[:3]),
        (["--state", "silent"], ids[3:]),
        (["--consumer", DEAD], ids[3:]),
        (["--idle", "30s"], ids[3:]),
    ):
        listed = run("bus_pending", "list", *HERE, "--json", *arguments).json
        assert [each["entry_id"] for each in listed["items"]] == wanted


def test_the_list_as_json(ward: Ward) -> None:
    [entry_id] = ward.waiting()

    [item] = run("bus_pending", "list", *HERE, "--json").json["items"]

    assert (item["entry_id"], item["state"], item["consumer"], item["error"]) == (
        entry_id, "waiting", ALIVE, "ValueError: no",
    )  # fmt: skip
    assert item["shown"]["type"] == "shop.order.created"


@pytest.mark.parametrize(
    ("action", "more", "said"),
    [
        ("retry", [], "2 tried again now."),
        ("claim", ["--to", "web-3"], "2 claimed."),
        ("ack", [], "2 discarded."),
        ("bury", ["--why", "hopeless"], "2 moved to the dead letters."),
    ],
)
def test_each_verb(ward: Ward, action: str, more: list[str], said: str, caplog: pytest.LogCaptureFixture) -> None:
    ward.silent()
    ward.waiting()
    ward.running()
    ward.client.xgroup_createconsumer(ward.key, ward.group, "web-3")
    caplog.set_level(logging.INFO, "django_redis_bus.operations")

    ran = run("bus_pending", action, *HERE, "--all", "--yes", *more)

    assert (ran.out, ran.code) == (f"{said}\n1 left alone: a consumer has it in hand.\n", 0)
    [record] = caplog.records
    assert record.levelname == "INFO"
    assert record.getMessage().startswith(
        f"{action} pending entries (all) by {getpass.getuser()} on events:order, group billing on unix://"
    )
    assert record.getMessage().endswith(": 2 done, 1 left alone (running)")
    assert len(ward.letters()) == (2 if action == "bury" else 0)


def test_what_the_consumer_owns_is_not_claimed(ward: Ward) -> None:
    [waiting] = ward.waiting()
    ward.silent()

    ran = run("bus_pending", "claim", *HERE, "--all", "--to", DEAD, "--yes")
    assert (ran.out, ran.code) == ("1 claimed.\n1 left alone: that consumer owns it already.\n", 0)
    again = run("bus_pending", "claim", *HERE, waiting, "--to", DEAD, "--yes")
    assert (again.out, again.code) == ("0 claimed.\n1 left alone: that consumer owns it already.\n", 1)


def test_what_is_paused_is_told(ward: Ward) -> None:
    ward.waiting(3)
    pausing.pause(ward.asking(), "events:order", "other", by="eve")
    retry = ("bus_pending", "retry", *HERE, "--all", "--yes")
    assert run(*retry).out == "3 tried again now.\n"
    assert run("bus_pending", "list", *HERE).out.startswith("events:order, group billing: 3 pending\n")

    # When a handler is paused
    note = '{"by":"ann","why":"no\\u001b gateway"}'
    ward.client.hset(ward.keys.paused, "billing shop.charge", note)
    assert run("bus_pending", "list", *HERE).out.startswith(
        "Handler shop.charge is paused by ann: no\ufffd gateway\nevents:order, group billing: 3 pending\n"
    )
    assert run(*retry).out == "3 tried again now.\n"

    # When the group is
    pausing.pause(ward.asking(), "events:order", "billing", by="eve")
    assert run("bus_pending", "list", *HERE).out.startswith("The group is paused by eve\nHandler shop.charge ")
    assert run(*retry).out == "3 due now; the group is paused.\n"
    assert run("bus_pending", "ack", *HERE, "--all", "--yes").out == "3 discarded.\n"


def test_entries_by_name(ward: Ward) -> None:
    waiting, running = ward.waiting(), ward.running()

    ran = run("bus_pending", "retry", *HERE, *waiting, *running, "1-1", "--yes", "--json")

    assert ran.json == {"done": 1, "left_alone": {"running": 1, "gone": 1}, "more": False, "following": ""}
    # What was named could not be done
    assert ran.code == 1
    assert run("bus_pending", "retry", *HERE, *waiting, "--yes").code == 0


def test_it_names_the_count_and_asks(ward: Ward) -> None:
    ward.waiting(3)
    command = ("bus_pending", "ack", *HERE, "--state", "waiting")

    for answer in ("", "n", "no", "maybe"):
        ran = run(*command, answer=answer)
        assert (ran.error, ran.code) == ("Nothing was done.", 1)
    assert ran.err == (
        "Discard 3 pending entries of group billing, as if they had been handled? That cannot be undone. [y/N] "
    )
    nobody = run(*command)
    assert nobody.code == 2
    assert "Nobody can answer here: give --yes." in nobody.error
    assert len(ward.pending()) == 3

    assert run(*command, answer="Y").out == "3 discarded.\n"
    assert run(*command).out == "Nothing matches.\n"


def test_what_comes_while_it_asks_is_not_meant(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    ward.waiting(2)
    count = pending.count

    def slow(*args: Any, **options: Any) -> Any:
        found = count(*args, **options)
        ward.waiting(5)
        return found

    monkeypatch.setattr(pending, "count", slow)

    assert run("bus_pending", "ack", *HERE, "--all", "--yes").out == "2 discarded.\n"
    assert len(ward.pending()) == 5


def test_more_than_are_done_in_one_go(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "AT_ONCE", 20)
    monkeypatch.setattr(pending, "PAGE", 10)
    ward.waiting(45)

    ran = run("bus_pending", "bury", *HERE, "--all", "--yes")

    assert ran.out == "45 moved to the dead letters.\n"
    assert ran.err.splitlines() == [f"{n} moved to the dead letters so far …" for n in (20, 40)]


def test_redis_goes_away_in_the_middle(
    own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    server = own_server(aof=False)
    bus_settings(LOCATION=server.url)
    ward = Ward(server.client(), prefix)
    ward.waiting(30)
    monkeypatch.setattr(acting, "AT_ONCE", 10)
    monkeypatch.setattr(pending, "PAGE", 10)
    caplog.set_level(logging.INFO, "django_redis_bus.operations")
    monkeypatch.setattr("django_redis_bus.management.operating.note", lambda *_: server.kill())

    ran = run("bus_pending", "retry", *HERE, "--all", "--yes")

    assert ran.code == 1
    assert "does not answer" in ran.error
    assert ran.error.endswith("Before that: 10 done, there are more.")
    assert "10 done, there are more; then Redis at" in caplog.records[-1].getMessage()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["list", "events:ordr", "billing"], "There is no stream 'events:ordr'. Did you mean 'events:order'?"),
        (["list", "events:order", "biling"], "has no group 'biling'. Did you mean 'billing'?"),
        (["retry", "events:order", "biling", "--all", "--yes"], "has no group 'biling'"),
        (["retry", *HERE, "17", "--yes"], "'17' is no entry id"),
        (["retry", *HERE], "Say what to retry"),
        (["retry", *HERE, "1-1", "--all"], "Say what to retry"),
        (["retry", *HERE, "1-1", "--state", "silent"], "Say what to retry"),
        (["list", *HERE, "1-1"], "list shows pages"),
        (["claim", *HERE, "--all"], "claim needs --to"),
        (["retry", *HERE, "--all", "--to", "x"], "claim needs --to"),
        (["claim", *HERE, "--all", "--to", "nobody", "--yes"], "has no consumer 'nobody'"),
        (["list", *HERE, "--bus", "no"], "REDIS_BUS has no alias 'no'"),
        (["list", *HERE, "--idle", "soon"], "--idle: invalid time such as 90 or 5m"),
        (["list", *HERE, "--state", "odd"], "invalid choice: 'odd'"),
        (["list", *HERE, "--count", "0"], "--count: invalid whole number from 1"),
    ],
)
def test_a_wrong_command_line_is_told(ward: Ward, declare: Any, arguments: list[str], what: str) -> None:
    declare("events:order")
    ward.waiting()

    ran = run("bus_pending", *arguments)

    assert what in ran.error
    assert ran.code in (1, 2)
    assert ran.code == 2 or "argument" in ran.error.lower() or "invalid" in ran.error
    assert len(ward.pending()) == 1


def test_redis_is_away(bus_settings: Callable[..., None]) -> None:
    bus_settings(LOCATION="redis://user:secret@127.0.0.1:1")

    for arguments in (["list", *HERE], ["retry", *HERE, "--all", "--yes"], ["ack", *HERE, "1-1", "--yes"]):
        ran = run("bus_pending", *arguments)
        assert ran.code == 1
        assert "does not answer" in ran.error
        assert "secret" not in ran.error
