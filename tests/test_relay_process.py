"""manage.py relay_outbox as a process: signals, exit codes, the reloader; and inside a consumer."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from tests.database_servers import DatabaseServer
from tests.faults.fleet import Command, wait_for
from tests.outbox.conftest import Outbox, Put, ids, outbox, put
from tests.servers import Server

__all__ = ["outbox", "put"]  # fixtures

pytestmark = [pytest.mark.slow, pytest.mark.databases("default", transaction=True, also=["other"])]

Start = Callable[..., Command]


@pytest.fixture
def start(database: str, process_env: Callable[..., dict[str, str]], tmp_path: Path) -> Iterator[Start]:
    """A factory of relay processes on this test's database: start(*arguments, **environment) -> Command."""
    made: list[Command] = []

    def make(*arguments: str, command: str = "relay_outbox", **environment: str) -> Command:
        env = process_env(default_database=database, **environment)
        made.append(Command([command, *arguments], env, tmp_path / f"out-{len(made)}"))
        return made[-1]

    yield make
    for process in made:
        process.kill()


# --- as a process


@pytest.mark.slow
@pytest.mark.databases(transaction=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_relays_until_it_is_told_to_stop(
    start: Start, put: Put, outbox: Outbox, database: str, number: signal.Signals
) -> None:
    relay = start("--database", "default")
    relay.said("Outbox of database default")
    rows = put(3)
    wait_for(lambda: outbox.sent() == ids(rows))
    wait_for(lambda: set(outbox.states()) == {"SENT"})
    before = monotonic()

    relay.signal(number)

    assert relay.end() == 0
    assert monotonic() - before < 3
    assert "Stopped: 3 published" in relay.output


@pytest.mark.slow
def test_told_to_stop_while_redis_hangs_it_gives_back_and_ends_with_0(
    start: Start, put: Put, outbox: Outbox, own_server: Callable[..., Server]
) -> None:
    own = own_server()
    relay = start(BUS_TEST_URL=own.url)
    relay.said("Outbox of database default")
    own.freeze()
    put(3)
    wait_for(lambda: outbox.rows.filter(lease__gt=0).exists())

    assert relay.stop() == 0

    assert {(r.state, r.lease) for r in outbox.rows.all()} == {(0, 0)}
    own.thaw()


@pytest.mark.slow
def test_told_to_stop_while_the_database_hangs_it_is_cut_off(
    own_database: Callable[..., DatabaseServer],
    process_env: Callable[..., dict[str, str]],
    bus_settings: Any,
    tmp_path: Path,
) -> None:
    own = own_database("postgresql")
    env = process_env(default_database=own.alias, BUS_TEST_OPTIONS=json.dumps({"DRAIN": 1}))
    connections[own.alias].close()
    relay = Command(["relay_outbox", "--database", "default"], env, tmp_path / "out")
    relay.said("Outbox of database default")
    own.freeze()
    sleep(2)  # then it has asked something
    before = monotonic()

    assert relay.stop() == 3

    assert monotonic() - before < 8
    assert "cut off by the drain deadline" in relay.output
    own.thaw()


@pytest.mark.slow
def test_restarted_by_the_reloader_it_goes_on(start: Start, put: Put, outbox: Outbox) -> None:
    relay = start("--reload")
    relay.said("Outbox of database default")
    rows = put(2)
    wait_for(lambda: outbox.sent() == ids(rows))

    assert relay.stop() == 0


# --- inside a consumer


@pytest.mark.slow
@pytest.mark.databases(transaction=True)
def test_a_consumer_relays_when_asked_to(start: Start, put: Put, outbox: Outbox, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    consumer = start("--relay-outbox", "events:work", command="consume_stream", BUS_TEST_LOG=str(log))
    consumer.said(", as ")
    rows = put(3, topic="events:work")

    wait_for(lambda: set(outbox.states()) == {"SENT"}, what=consumer.output)

    assert outbox.sent("events:work") == ids(rows)
    assert "relayed by this process" in consumer.output
    assert consumer.stop() == 0
    assert "Relayed: 3 published, 0 parked." in consumer.output


@pytest.mark.parametrize("other", [["--burst"], ["--processes", "2"]])
def test_a_consumer_does_not_relay_in_a_burst_or_many_times_over(put: Put, other: list[str]) -> None:
    with pytest.raises(CommandError, match=rf"--relay-outbox does not go with {other[0]}; run relay_outbox beside it"):
        call_command("consume_stream", "--relay-outbox", *other)
