"""manage.py consume_stream as its users meet it: what it says, takes, refuses, and how it ends."""

from __future__ import annotations

import io
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.faults.fleet import Consumer, Fleet, wait_for
from tests.servers import Server


@pytest.fixture
def fleet(prefix: str, server: Server, process_env: Callable[..., dict[str, str]], tmp_path: Path) -> Any:
    """Processes of the command on the shared server."""
    made = Fleet(server, prefix, "events:work", process_env, tmp_path)
    yield made
    made.close()


@pytest.fixture
def seen(declare: Callable[..., Any]) -> list[Any]:
    """What the handler "billing" of the stream "events:order" has got; "mail" gets it as well."""
    stream = declare("events:order")
    got: list[Any] = []

    @stream.handler(group="billing")
    def bill(event: Any) -> None:
        got.append(event.data)

    @stream.handler(group="mail")
    def send(event: Any) -> None: ...

    return got


def run(*arguments: str) -> str:
    """Run the command here and return what it printed."""
    out = io.StringIO()
    call_command("consume_stream", *arguments, stdout=out)
    return out.getvalue()


# --- what it says


def test_it_says_what_it_consumes_from_where_as_whom(
    seen: list[Any], declare: Callable[..., Any], server: Server
) -> None:
    said = run("--burst", "--consumer", "me")

    assert f"events:order on {server.url}, group billing, as me: tests.test_consume_stream.seen.<locals>.bill" in said
    assert "group mail, as me" in said
    assert said.count("New group, the stream is empty.") == 2
    assert "Stopped: 0 handled, 0 put aside for a retry, 0 dead letters." in said


def test_a_new_group_on_a_stream_with_history_is_told_what_will_come_and_how_to_skip_it(
    seen: list[Any], prefix: str
) -> None:
    from django_redis_bus import bus

    for n in range(1234):
        bus.publish("events:order", n)

    said = run("--burst", "--group", "billing")

    assert "it will first receive the 1,234 earlier events" in said
    assert f"XGROUP DESTROY {prefix}:events:order billing" in said
    assert "--from new" in said
    assert "Stopped: 1,234 handled" in said
    assert len(seen) == 1234


def test_a_group_that_exists_is_told_that_from_changes_nothing(seen: list[Any]) -> None:
    run("--burst", "--group", "billing")

    said = run("--burst", "--group", "billing", "--from", "new")

    assert "The group exists and goes on where it was; --from new is for new groups only." in said


@pytest.mark.parametrize(
    ("start", "text"), [("new", "it receives events published from now on"), ("7-0", "it receives events from 7-0 on")]
)
def test_a_new_group_is_told_where_it_begins(seen: list[Any], start: str, text: str) -> None:
    assert text in run("--burst", "--group", "billing", "--from", start)


# --- what it refuses


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["events:ordre"], ["'events:ordre'", "Did you mean 'events:order'?"]),
        (["nothing:alike"], ["'nothing:alike'", "'events:order'"]),
        (["--group", "biling"], ["'biling'", "Did you mean 'billing'?"]),
        (["--group", "xxxxx"], ["'xxxxx'", "'billing'", "'mail'"]),
        (["--bus", "defualt"], ["'defualt'", "'default'"]),
        (["--from", "yesterday"], ["'yesterday'", "new, all, an entry id"]),
        (["--reload", "--processes", "2"], ["--reload runs one process"]),
        (["--consumer", "me", "--processes", "2"], ["--consumer names one process"]),
        (["--lease", "0.1"], ["time of at least 1 second"]),
        (["--lease", "soon"], ["time of at least 1 second"]),
        (["--lease", "nan"], ["time of at least 1 second"]),
        (["--lease", "²"], ["time of at least 1 second"]),
        (["--threads", "-1"], ["whole number from 0"]),
        (["--processes", "0"], ["whole number from 1"]),
        (["--batch", "0"], ["whole number from 1"]),
        (["--max-events", "many"], ["whole number from 1"]),
    ],
)
def test_a_mistake_is_named_with_its_mend(seen: list[Any], arguments: list[str], texts: list[str]) -> None:
    with pytest.raises(CommandError) as caught:
        run(*arguments)

    for text in texts:
        assert text in str(caught.value)


def test_a_stream_without_handlers_is_refused_with_those_that_have_some(
    seen: list[Any], declare: Callable[..., Any]
) -> None:
    declare("events:lonely")

    with pytest.raises(CommandError, match=r"'events:lonely' has no handlers. Streams with handlers: events:order"):
        run("events:lonely")


def test_a_project_without_handlers_is_told_how_to_write_one(bus_settings: Callable[..., None]) -> None:
    with pytest.raises(CommandError, match=r"has no handlers. Write one in the handlers.py"):
        run()


def test_a_stream_with_placeholders_has_to_be_named(declare: Callable[..., Any]) -> None:
    stream = declare("tenant:{tenant}:orders")
    got: list[Any] = []

    @stream.handler(group="g")
    def handle(event: Any) -> None:
        got.append(event.topic)

    stream(tenant="acme").publish(1)
    with pytest.raises(CommandError, match="placeholders"):
        run("--burst")
    with pytest.raises(CommandError, match="such as 'tenant:1:orders'"):
        run("--burst", "tenant:{tenant}:orders")

    run("--burst", "tenant:acme:orders")

    assert got == ["tenant:acme:orders"]


def test_a_name_that_is_taken_ends_with_1(fleet: Fleet) -> None:
    fleet.start("--consumer", "me").ready()

    second = fleet.start("--consumer", "me")

    assert second.end() == 1
    assert "a consumer named 'me' is alive. Stop it, or choose another --consumer." in second.output


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        call_command("consume_stream", "--help")

    text = " ".join(capsys.readouterr().out.split())
    assert caught.value.code == 0
    assert "manage.py consume_stream events:order --group billing --threads 8" in text
    for option in ("--bus", "--group", "--consumer", "--threads", "--processes", "--batch", "--from", "--burst",
                   "--max-events", "--lease", "--reload"):  # fmt: skip
        assert option in text


# --- what it takes


def test_from_a_time_on(seen: list[Any]) -> None:
    from django_redis_bus import bus

    bus.publish("events:order", 1)

    run("--burst", "--group", "billing", "--from", "2020-01-01T00:00:00Z")
    run("--burst", "--group", "mail", "--from", "2120-01-01T00:00:00Z")

    assert seen == [1]


def test_max_events_ends_it(seen: list[Any]) -> None:
    from django_redis_bus import bus

    for n in range(20):
        bus.publish("events:order", n)

    said = run("--max-events", "7", "--group", "billing")

    assert seen == list(range(7))
    assert "Stopped: 7 handled" in said


@pytest.mark.parametrize("more", [[], ["--threads", "3"], ["--batch", "1"], ["--lease", "2m"]])
def test_burst_ends_it_when_nothing_is_left(seen: list[Any], more: list[str]) -> None:
    from django_redis_bus import bus

    for n in range(20):
        bus.publish("events:order", n)

    run("--burst", *more)

    assert sorted(seen) == list(range(20))


# --- processes


@pytest.mark.slow
def test_a_burst_of_several_processes_ends_with_0(fleet: Fleet) -> None:
    fleet.publish(50)

    supervisor = fleet.start("--burst", "--processes", "2")

    assert supervisor.end() == 0
    fleet.reconcile()


@pytest.mark.slow
def test_a_process_that_dies_is_started_again_after_a_wait_that_grows(fleet: Fleet) -> None:
    supervisor = fleet.start("--processes", "2").ready(2)

    for text in (
        "was killed by signal 9; it starts again in 0.5 s",
        "was killed by signal 9; it starts again in 1.0 s",
    ):
        victim = wait_for(lambda: children(supervisor, named=1))[0]
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda text=text: text in supervisor.output, what=supervisor.output)
        wait_for(lambda: len(children(supervisor)) == 2)

    fleet.publish(20)
    fleet.reconcile()
    assert supervisor.stop() == 0


def children(supervisor: Consumer, *, named: int = 0) -> list[int]:
    """Return the ids of a supervisor's live processes; of its first process if `named`."""
    pids = Path(f"/proc/{supervisor.pid}/task/{supervisor.pid}/children").read_text().split()
    alive = [int(pid) for pid in pids if "(zombie)" not in Path(f"/proc/{pid}/status").read_text()]
    if not named:
        return alive
    started = re.findall(r"Process 1 ", supervisor.output)
    return [min(alive)] if not started else [max(alive)] if len(alive) == 2 else []


@pytest.mark.slow
def test_max_events_makes_each_process_give_way_to_a_fresh_one(fleet: Fleet) -> None:
    fleet.publish(60, "sleep", s=0.01)

    supervisor = fleet.start("--processes", "2", "--max-events", "20", "--batch", "5")

    fleet.reconcile()
    assert len({line.split()[2] for line in fleet.lines()}) >= 3
    assert supervisor.stop() == 0
