"""manage.py bus_tail as its users meet it: what it prints, takes, refuses, and how it ends."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.faults.fleet import Command, wait_for
from tests.operations.seeing import HOSTILE, Scene
from tests.servers import Server

AT_ONCE_S = 3.0  # the promise is half a second; a loaded machine gets more here
EVENT = {
    "ce_specversion": "1.0", "ce_id": "e1", "ce_source": "shop", "ce_type": "order.paid", "ce_partitionkey": "k",
    "ce_time": "2026-11-22T08:00:00Z", "content-type": "application/json", "data": '{"id":7,"lines":[1,2]}',
}  # fmt: skip


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("bus_tail", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def scene(bus_settings: Callable[..., None], redis_client: Any, prefix: str) -> Scene:
    return Scene(redis_client, prefix)


def test_the_newest_entries_a_line_each(scene: Scene) -> None:
    scene.add(20)
    scene.client.xadd(scene.key(), EVENT, id="1999999999000-0")

    lines = run("events:order", "--no-follow", "-n", "3").splitlines()

    assert len(lines) == 3
    assert lines[2] == '2033-05-18T03:33:19.000Z  1999999999000-0  order.paid  key=k  { "id": 7, "lines": [ 1, 2 ] }'


def test_json_lines(scene: Scene) -> None:
    scene.client.xadd(scene.key(), EVENT, id="1999999999000-0")
    scene.client.xadd(scene.key(), {"ce_type": "t", "data": "{"}, id="1999999999000-1")
    scene.client.xadd(scene.key(), {"n": "7"}, id="1999999999000-2")

    event, broken, foreign = map(json.loads, run("events:order", "--no-follow", "--json").splitlines())

    assert event == {
        "entry_id": "1999999999000-0", "at": "2033-05-18T03:33:19+00:00", "id": "e1", "source": "shop",
        "type": "order.paid", "time": "2026-11-22T08:00:00Z", "key": "k", "data": {"id": 7, "lines": [1, 2]},
        "attributes": {"content-type": "application/json"}, "size": event["size"],
    }  # fmt: skip
    assert (broken["trouble"][:11], broken["data"]) == ("undecodable", "{")
    assert (foreign["foreign"], foreign["data"]) == (True, {"n": "7"})


def test_filters(scene: Scene) -> None:
    scene.client.xadd(scene.key(), EVENT)
    scene.client.xadd(scene.key(), EVENT | {"ce_type": "order.made", "ce_partitionkey": "other"})

    def found(*arguments: str) -> int:
        return run("events:order", "--no-follow", *arguments).count("\n")

    assert (found("--type", "order.paid"), found("--key", "other"), found("--text", "SHOP")) == (1, 1, 2)
    assert found("--count", "1") == 1


def test_redacted_values_are_not_printed(scene: Scene, declare: Callable[..., Any]) -> None:
    declare("events:order", redact=["id"])
    scene.client.xadd(scene.key(), EVENT | {"data": '{"id":4111}'})

    assert "4111" not in run("events:order", "--no-follow") + run("events:order", "--no-follow", "--json")


def test_whatever_is_hostile_is_printed_harmless(scene: Scene) -> None:
    scene.client.xadd(scene.key(), {"ce_type": HOSTILE, "ce_id": b"\xff", "data": HOSTILE})
    scene.client.xadd(scene.key(), {"text": HOSTILE, "long": "x" * 500_000})

    lines = run("events:order", "--no-follow").splitlines()

    assert len(lines) == 2
    assert all(line.isprintable() and len(line) < 5_000 for line in lines)


def test_a_name_that_is_misspelt_is_a_usage_error(scene: Scene, declare: Callable[..., Any]) -> None:
    declare("events:order")

    with pytest.raises(CommandError, match="Did you mean 'events:order'") as caught:
        run("events:ordr")
    assert caught.value.returncode == 2
    assert run("events:order", "--no-follow") == ""


def test_a_key_of_another_type_is_an_error(scene: Scene) -> None:
    scene.client.set(scene.key(), "x")

    with pytest.raises(CommandError, match="WRONGTYPE"):
        run("events:order")


def test_it_says_when_older_entries_may_match(scene: Scene) -> None:
    scene.client.eval("for i = 1, 3000 do redis.call('XADD', KEYS[1], '*', 'n', i) end", 1, scene.key())
    err = StringIO()

    call_command("bus_tail", "events:order", "--no-follow", "--text", "nowhere", stdout=StringIO(), stderr=err)

    assert err.getvalue() == "The newest 2,000 entries were looked at; older ones may match.\n"


# --- a process


class Tailing(Command):
    """A process of the command, and a scene on its server."""

    scene: Scene
    server: Server


@pytest.fixture
def tail(
    own_server: Callable[..., Server], process_env: Callable[..., dict[str, str]], prefix: str, tmp_path: Path
) -> Iterator[Callable[..., Tailing]]:
    """A factory of one process that follows a stream with one entry in it: tail("--json")."""
    made: list[Tailing] = []

    def make(*arguments: str) -> Tailing:
        server = own_server(aof=True)
        scene = Scene(server.client(), prefix)
        scene.add(1, n="first")
        one = Tailing(["bus_tail", "events:order", *arguments], process_env(BUS_TEST_URL=server.url), tmp_path / "out")
        one.scene, one.server = scene, server
        made.append(one)
        one.said("first")
        return one

    yield make
    for one in made:
        one.close()


def test_it_follows_until_it_is_told_to_stop(tail: Callable[..., Tailing]) -> None:
    one = tail()

    one.scene.add(1, n="second")
    one.said("second")
    one.scene.add(1, n="third")
    one.said("third")

    assert one.output.count("\n") == 3
    assert one.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_also_while_redis_is_frozen(tail: Callable[..., Tailing], number: signal.Signals) -> None:
    one = tail()
    one.server.freeze()
    time.sleep(0.5)  # it waits for an answer now

    asked = time.monotonic()
    one.signal(number)

    assert one.end() == 0
    assert time.monotonic() - asked < AT_ONCE_S


def test_it_outlives_an_outage_and_says_so_once(tail: Callable[..., Tailing]) -> None:
    one = tail()
    one.server.kill()
    one.said("Waiting for it")
    one.server.start()
    one.said("Redis is back")

    one.scene.add(1, n="after")
    one.said("after")

    assert one.output.count("Waiting for it") == 1


def test_count_ends_it(tail: Callable[..., Tailing]) -> None:
    one = tail("--count", "3")

    one.scene.add(5, n="more")

    assert one.end() == 0
    wait_for(lambda: one.output.count("\n") == 3)
