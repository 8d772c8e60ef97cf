"""manage.py listen_pattern as its users meet it: what it prints, takes, refuses, and how it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command

from tests.faults.fleet import Command, wait_for
from tests.servers import Server

MESSAGE = (
    '{"specversion":"1.0","id":"1","source":"shop","type":"chat.said","time":"2026-11-22T08:00:00Z","subject":"s",'
    '"data":{"text":"hi"},"epoch":"e","offset":"1-2"}'
)
AT_ONCE_S = 3.0  # the promise is half a second; a loaded machine gets more here


class Listener(Command):
    """A process of the command, and a hand that publishes."""

    client: redis.Redis
    prefix: str

    def publish(self, topic: str, *data: str | bytes) -> None:
        for one in data:
            self.client.publish(f"{self.prefix}:{topic}", one)

    def subscribed(self, count: int = 1) -> Listener:
        """Wait until the server knows that it listens."""
        see = self.client.client_list
        wait_for(lambda: self.process.poll() is not None or sum(int(c["sub"]) + int(c["psub"]) for c in see()) >= count)
        assert self.process.poll() is None, self.output
        return self

    def running(self, times: int = 1) -> Listener:
        """Wait until it has said so often of the two listeners that they are at work."""
        self.said("tests.app.handlers.hear_", 2 * times)
        return self


@pytest.fixture
def listen(
    own_server: Callable[..., Server], process_env: Callable[..., dict[str, str]], prefix: str, tmp_path: Path
) -> Iterator[Callable[..., Listener]]:
    """A factory of processes on a server of this test: listen("chat:*", server=…, LOG=…)."""
    made: list[Listener] = []

    def make(*arguments: str, server: Server | None = None, **environment: str) -> Listener:
        server = server or own_server(aof=False)
        env = process_env(BUS_TEST_URL=server.url, **environment)
        listener = Listener(["listen_pattern", *arguments], env, tmp_path / f"out-{len(made)}")
        listener.client, listener.prefix = server.client(), prefix
        made.append(listener)
        return listener

    yield make
    for listener in made:
        listener.close()


Listen = Callable[..., Listener]


def test_it_prints_what_is_published(listen: Listen) -> None:
    listener = listen("chat:*", "chat:lobby", "exact").subscribed(3)

    listener.publish("chat:lobby", MESSAGE, "hi \x1b[31mred\nnext", b"\xff")
    listener.publish("exact", '{"type":"t","n":1}')
    listener.publish("other", "no")
    listener.said('"n":1')

    assert listener.stop() == 0
    assert listener.output.startswith("Listening to chat:*, chat:lobby, exact on unix://")
    assert listener.output.splitlines()[1:] == [
        '2026-11-22T08:00:00Z  chat:lobby  chat.said  subject=s  offset=1-2  {"text":"hi"}',
        "-  chat:lobby  -  hi �[31mred�next",
        "-  chat:lobby  -  b'\\xff'",
        '-  exact  t  {"type":"t","n":1}',
        "Stopped: 4 printed, 0 unreadable, 0 dropped, 0 gaps.",
    ]


def test_it_prints_json_lines(listen: Listen) -> None:
    listener = listen("chat:*", "--json").subscribed()

    listener.publish("chat:lobby", MESSAGE, "hi\n", b"\xff")
    wait_for(lambda: listener.output.count("\n") == 4)
    listener.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    listener.said('"gap"')

    lines = [json.loads(line) for line in listener.output.splitlines() if line.startswith("{")]
    assert lines[0] == {
        "topic": "chat:lobby", "id": "1", "source": "shop", "type": "chat.said", "time": "2026-11-22T08:00:00Z",
        "subject": "s", "epoch": "e", "offset": "1-2", "data": {"text": "hi"},
    }  # fmt: skip
    assert (lines[1]["data"], lines[1]["foreign"]) == ("hi\n", True)
    assert lines[2]["data_base64"] == "/w=="
    assert (lines[3]["gap"]["topics"], lines[3]["gap"]["reason"]) == (["chat:*"], "lost")


def test_count_ends_it(listen: Listen) -> None:
    listener = listen("chat:*", "--count", "2").subscribed()

    listener.publish("chat:lobby", "a", "b", "c")

    assert listener.end() == 0
    assert "Stopped: 2 printed" in listener.output


def test_raw_patterns_have_no_prefix(listen: Listen) -> None:
    listener = listen("chat:*", "--raw").subscribed()

    listener.publish("chat:lobby", "nothing")
    listener.client.publish("chat:lobby", "yes")
    listener.said("yes")

    assert "nothing" not in listener.output


def test_keyspace_notifications(listen: Listen) -> None:
    listener = listen("__keyevent@0__:*").subscribed()
    listener.client.config_set("notify-keyspace-events", "KEA")

    listener.client.set("some:key", "x")

    listener.said("-  __keyevent@0__:set  -  some:key")


def test_values_that_must_not_be_shown_are_not_printed(listen: Listen) -> None:
    listener = listen("chat:*", BUS_TEST_OPTIONS='{"CHANNELS": {"chat:{room}": {"REDACT": ["text"]}}}').subscribed()

    listener.publish("chat:lobby", MESSAGE)
    listener.said("chat.said")

    assert '{"text":"[redacted]"}' in listener.output


@pytest.fixture
def piped(listen: Listen, process_env: Any) -> Iterator[tuple[Listener, subprocess.Popen[bytes]]]:
    """A process whose output goes into a pipe, and another that hears the same."""
    beside = listen("chat:*").subscribed()
    env = process_env(BUS_TEST_URL=f"unix://{beside.client.get_connection_kwargs()['path']}")
    command = [sys.executable, "-m", "django", "listen_pattern", "chat:*"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        beside.subscribed(2)
        yield beside, process
        process.kill()


def test_a_reader_that_has_seen_enough_is_no_error(piped: tuple[Listener, subprocess.Popen[bytes]]) -> None:
    beside, process = piped
    assert process.stdout is not None
    process.stdout.close()

    beside.publish("chat:lobby", "a", "b")

    assert process.wait(20) == 0


def test_a_reader_that_has_stopped_does_not_hold_it_up(piped: tuple[Listener, subprocess.Popen[bytes]]) -> None:
    # Given a pipe that is full
    beside, process = piped
    beside.publish("chat:lobby", *["x" * 10_000] * 30)
    wait_for(lambda: beside.output.count("\n") == 31)

    asked = time.monotonic()
    process.terminate()

    assert process.wait(20) == 0
    assert time.monotonic() - asked < AT_ONCE_S


# --- registered listeners


def test_it_runs_the_registered_listeners(listen: Listen, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    listener = listen(BUS_TEST_LOG=str(log)).running()

    listener.publish("chat:lobby", "a", "fail", "b")
    wait_for(lambda: log.read_text().count("\n") == 4)

    # Each line came at once from an `async def` and from a `def` in a thread
    lines = sorted(line.split() for line in log.read_text().splitlines())
    assert [line[:3] for line in lines] == [
        ["async", "lobby", "a"], ["async", "lobby", "b"], ["sync", "lobby", "a"], ["sync", "lobby", "b"],
    ]  # fmt: skip
    assert f"chat:* on unix://{listener.client.get_connection_kwargs()['path']}: tests.app.handlers." in listener.output
    assert listener.stop() == 0
    assert "Stopped: 4 delivered, 2 failed, 0 unreadable, 0 dropped, 0 gaps." in listener.output
    assert listener.output.count("ValueError: as asked") == 2


def test_it_heals_and_says_so_once(listen: Listen, own_server: Callable[..., Server]) -> None:
    server = own_server(aof=False)
    server.kill()
    listener = listen("chat:*", server=server)
    listener.said("Redis is unavailable")
    server.start()
    listener.said("Redis is back")
    listener.subscribed()

    server.restart()
    listener.said("Redis is back", 2)
    listener.publish("chat:lobby", "after")
    listener.said("after")

    assert listener.output.count("Redis is unavailable") == 2
    assert "--- messages may be missing (lost" in listener.output
    assert listener.stop() == 0
    assert "1 gap." in listener.output


def test_it_ends_at_once(listen: Listen, own_server: Callable[..., Server], tmp_path: Path) -> None:
    # Given one that listens, one without a server, and two whose functions hang
    log = tmp_path / "log"
    log.touch()
    server = own_server(aof=False)
    idle = listen("chat:*", server=server).subscribed()
    busy = listen(server=server, BUS_TEST_LOG=str(log)).running()
    busy.publish("chat:lobby", "hang")
    wait_for(lambda: log.read_text().count("hang") == 2)
    away = own_server(aof=False)
    away.kill()
    alone = listen("chat:*", server=away)
    alone.said("Redis is unavailable")

    for listener, number in ((idle, signal.SIGTERM), (busy, signal.SIGTERM), (alone, signal.SIGINT)):
        asked = time.monotonic()
        listener.signal(number)
        assert listener.end() == 0, listener.output
        assert time.monotonic() - asked < AT_ONCE_S
        assert "Stopped: " in listener.output


@pytest.mark.slow
def test_reload_starts_it_again_when_code_changes(listen: Listen, tmp_path: Path) -> None:
    module = tmp_path / "project_code.py"
    module.write_text("VALUE = 1\n")
    log = tmp_path / "log"
    log.touch()
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", ""), str(Path.cwd())])
    listener = listen("--reload", PYTHONPATH=paths, BUS_TEST_IMPORT="project_code", BUS_TEST_LOG=str(log))
    listener.running()

    time.sleep(1.2)  # Django looks at the times of files, each second
    module.write_text("VALUE = 2\n")
    os.utime(module, (time.time() + 5, time.time() + 5))

    listener.running(times=2)
    listener.publish("chat:lobby", "a")
    wait_for(lambda: log.read_text().count("\n") == 2)
    assert listener.stop() == 0


# --- what it refuses


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ([], "has no listeners. Write one in the handlers.py of an installed app"),
        (["--json"], "--json goes with patterns to print"),
        (["--raw"], "--raw goes with patterns to print"),
        (["x", "--bus", "no"], "REDIS_BUS has no alias 'no'"),
        (["x", "--count", "0"], "--count: invalid whole number from 1"),
        ([""], "is no topic"),
    ],
)
def test_a_wrong_command_line_is_told(bus_settings: Callable[..., None], arguments: list[str], what: str) -> None:
    with pytest.raises(CommandError, match=what) as caught:
        call_command("listen_pattern", *arguments, stdout=io.StringIO())

    assert caught.value.returncode in (1, 2)


def test_what_redis_refuses_ends_it(listen: Listen, own_server: Callable[..., Server]) -> None:
    server = own_server(aof=False)
    server.client().execute_command("ACL", "SETUSER", "reader", "on", ">pw", "resetchannels", "&x:*", "+@all")
    options = json.dumps({"OPTIONS": {"username": "reader", "password": "pw"}})

    listener = listen("chat:*", server=server, BUS_TEST_OPTIONS=options)

    assert listener.end() == 1
    assert "refuses this user" in listener.output
    assert "Redis wants a pattern to be granted as it is written." in listener.output
