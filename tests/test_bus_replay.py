"""manage.py bus_replay."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import redis

from django_redis_bus import Event, Retry
from django_redis_bus.core.exceptions import Unavailable
from django_redis_bus.management.commands import bus_replay
from django_redis_bus.operations import replaying
from tests.contract.consuming import TOPIC, Contract, wait_for
from tests.operations.ward import Ward
from tests.servers import Server
from tests.terminal import run

HERE = ("events:order", "billing")


@pytest.fixture
def ward(bus_settings: Callable[..., None], redis_client: redis.Redis, prefix: str) -> Ward:
    """A stream of 20 entries that its group has handled."""
    made = Ward(redis_client, prefix)
    ids = made.read(20)
    redis_client.xack(made.key, "billing", *ids)
    redis_client.hset(made.keys.groups, "billing", made.now_ms() + 60_000)  # a consumer lives
    return made


def test_a_dry_run_counts_and_does_nothing(ward: Ward) -> None:
    first, *_, last = ward.entries()

    ran = run("bus_replay", *HERE, "--from", "all", "--dry-run")

    assert ran.out == f"20 entries of events:order would be handed to group billing again, from 0-0 to {last}.\n"
    assert run("bus_replay", *HERE, "--from", first, "--dry-run", "--json").json["count"]["number"] == 20
    assert not ward.client.exists(ward.keys.replay)


def test_it_names_the_count_asks_and_begins(ward: Ward, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "django_redis_bus.operations")

    asked = run("bus_replay", *HERE, "--from", "all", answer="n")
    assert asked.err == "Let group billing of events:order handle 20 entries again? [y/N] "
    assert (asked.code, run("bus_replay", *HERE, "--from", "all").code) == (1, 2)
    assert not ward.client.exists(ward.keys.replay)

    ran = run("bus_replay", *HERE, "--from", "all", "--rate", "2.5", "--yes")
    assert ran.out == "Begun: 20 entries. See how far it is: --status.\n"
    assert run("bus_replay", *HERE, "--status").out.startswith(
        "Replay under way, 2.5 per second: 0 of 20 handed out (0%), begun by "
    )
    assert run("bus_replay", *HERE, "--status", "--json").json["per_s"] == 2.5
    again = run("bus_replay", *HERE, "--from", "all", "--yes")
    assert (again.code, "is under way" in again.error) == (2, True)

    asked = run("bus_replay", *HERE, "--cancel", answer="n")
    assert asked.err == "End the replay of group billing after 0 of 20? [y/N] "
    assert run("bus_replay", *HERE, "--cancel", "--yes").out == (
        "Cancelled: 0 of 20 had been handed out. What the group has got stays with it.\n"
    )
    assert run("bus_replay", *HERE, "--status").out == "No replay.\n"
    assert (run("bus_replay", *HERE, "--cancel").code, run("bus_replay", *HERE, "--wait").code) == (1, 1)
    messages = [record.getMessage() for record in caplog.records]
    assert [message.rpartition(": ")[2] for message in messages] == ["begun, 20 entries", "0 of 20 had been handed out"]


def test_nothing_is_there(ward: Ward) -> None:
    ward.trimmed(*ward.entries())

    assert run("bus_replay", *HERE, "--from", "all", "--yes").out == "Nothing is there to be replayed.\n"


def test_waiting_for_the_end(server: Server, prefix: str, bus_settings: Callable[..., None], monkeypatch: Any) -> None:
    # Given a group with a consumer
    monkeypatch.setattr(bus_replay, "LOOK_S", 0.05)
    bus_settings(LEASE=2)
    contract, handled = Contract(server, prefix), []

    @contract.stream().handler(group="g", retry=Retry(), idempotent=False)
    def work(event: Event[Any]) -> None:
        handled.append(event.data["n"])

    contract.publish(next(iter(contract._streams)), *({"n": n} for n in range(30)))
    contract.burst()
    try:
        contract.start()

        ran = run("bus_replay", TOPIC, "g", "--from", "all", "--yes", "--wait")
        wait_for(lambda: len(handled) == 60)
    finally:
        contract.close()

    assert ran.out == "Over: 30 entries handed to the group.\n"
    assert "Replay over: 30 of 30 handed out (100%)" in ran.err
    assert sorted(handled) == sorted([*range(30), *range(30)])


NOBODY = "No consumer of billing lives: nothing moves until one does."


@pytest.mark.parametrize("alive", [None, -10_500, "x"])
def test_nobody_carries_it_out(ward: Ward, alive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a group without a live consumer
    ward.client.hdel(ward.keys.groups, "billing")
    if alive is not None:
        ward.client.hset(ward.keys.groups, "billing", alive if alive == "x" else ward.now_ms() + alive)

    assert run("bus_replay", *HERE, "--from", "all", "--dry-run").out.splitlines()[1:] == [NOBODY]
    assert run("bus_replay", *HERE, "--from", "all", "--dry-run", "--json").json["is_consumed"] is False
    assert run("bus_replay", *HERE, "--from", "all", "--yes").out.splitlines()[1:] == [NOBODY]
    assert run("bus_replay", *HERE, "--status").out.splitlines()[1:] == [NOBODY]
    # When it is waited for, it is told once
    turns: list[int] = []

    def interrupted(seconds: float) -> None:
        turns.append(1)
        if len(turns) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(bus_replay, "sleep", interrupted)
    assert run("bus_replay", *HERE, "--wait").err.count(NOBODY) == 1
    # Then what is over needs nobody
    ward.client.hset(ward.keys.replay, "over", 1)
    assert NOBODY not in run("bus_replay", *HERE, "--status").out


def test_a_replay_that_ended_in_trouble_says_so(ward: Ward) -> None:
    run("bus_replay", *HERE, "--from", "all", "--yes")
    ward.client.hset(ward.keys.replay, mapping={"over": "1", "trouble": "bad \x1b[31m" + "x" * 5000})

    said = run("bus_replay", *HERE, "--status").out

    assert ". It ended before its time: bad \ufffd[31mxxx" in said
    assert len(said) < 400
    # And the next one begins without it
    run("bus_replay", *HERE, "--from", "all", "--yes")
    assert "before its time" not in run("bus_replay", *HERE, "--status").out


def test_waiting_goes_on_while_redis_is_away(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a Redis that does not answer twice, and a replay that does not move, and is over then
    monkeypatch.setattr(bus_replay, "LOOK_S", 0.01)
    monkeypatch.setattr(bus_replay, "STUCK_S", 0.0)
    asked: list[int] = []
    replay = replaying.replay

    def seen(*args: Any) -> Any:
        asked.append(1)
        if len(asked) in (2, 3):
            raise Unavailable("Redis does not answer")
        if len(asked) == 7:
            ward.client.hset(ward.keys.replay, mapping={"over": "1", "done": "20"})
        return replay(*args)

    run("bus_replay", *HERE, "--from", "all", "--yes")
    monkeypatch.setattr(replaying, "replay", seen)

    ran = run("bus_replay", *HERE, "--wait", "--json")

    assert ran.json["is_over"] is True
    said = ran.err.splitlines()
    assert said[1:4] == [
        "Redis does not answer. Waiting for it.",
        "Redis is back.",
        "Nothing moves. Is the group paused, or busy? See bus_info.",
    ]
    assert len(said) == 5


def test_ctrl_c_ends_the_showing_and_not_the_replay(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bus_replay, "sleep", interrupted)

    ran = run("bus_replay", *HERE, "--from", "all", "--yes", "--wait")

    assert (ran.code, ran.error) == (1, "Watched no longer. The replay goes on; --cancel ends it.")
    assert ward.client.exists(ward.keys.replay)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (list(HERE), "Say where to begin"),
        ([*HERE, "--from", "yesterday"], "'yesterday' is neither all, an entry id"),
        ([*HERE, "--from", "new"], "A replay is of what has been read"),
        (["events:order", "biling", "--from", "all"], "has no group 'biling'. Did you mean 'billing'?"),
        (["events:order", "biling", "--status"], "has no group 'biling'"),
        (["events:order", "biling", "--cancel"], "has no group 'biling'"),
        (["events:ordr", "billing", "--from", "all"], "There is no stream 'events:ordr'"),
        ([*HERE, "--status", "--cancel"], "Give one of"),
        ([*HERE, "--from", "all", "--status"], "Give one of"),
        ([*HERE, "--cancel", "--wait"], "Give one of"),
        ([*HERE, "--dry-run"], "go with --from"),
        ([*HERE, "--status", "--rate", "5"], "go with --from"),
        ([*HERE, "--from", "all", "--rate", "0"], "--rate: invalid number above 0"),
    ],
)
def test_a_wrong_command_line_is_told(ward: Ward, declare: Any, arguments: list[str], what: str) -> None:
    declare("events:order")

    ran = run("bus_replay", *arguments)

    assert what in ran.error
    assert ran.code in (1, 2)
    assert not ward.client.exists(ward.keys.replay)


def test_redis_is_away(bus_settings: Callable[..., None]) -> None:
    bus_settings(LOCATION="redis://127.0.0.1:1")

    for arguments in (["--from", "all"], ["--status"], ["--cancel"]):
        assert run("bus_replay", *HERE, *arguments).code == 1
