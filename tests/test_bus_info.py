"""manage.py bus_info, as somebody at night reads it and as a program does."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from django_redis_bus.bus import buses
from django_redis_bus.operations.asking import Asking
from django_redis_bus.operations.pausing import pause
from tests.operations.seeing import HOSTILE, Scene
from tests.servers import Server

Declare = Callable[..., Any]
pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("bus_info", *arguments, "--no-color", stdout=out)
    return out.getvalue()


@pytest.fixture
def scene(own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str, declare: Declare) -> Scene:
    """A bus on a server of its own, with a stream that has handlers and another program's group."""
    server = own_server()
    bus_settings(LOCATION=server.url)
    orders = declare("events:order")

    @orders.handler(group="billing", types=["paid"])
    def charge(event: Any) -> None: ...

    scene = Scene(server.client(), prefix)
    scene.add(10, ago_ms=20_000)
    scene.group("billing", read=4, consumer="web1-1")
    scene.group("theirs")
    scene.beat("billing", "web1-1", host="web1", lease_ms=30_000, held=1, oldest="1-1", oldest_ms=1_500)
    return scene


def test_a_bus_at_a_glance(scene: Scene) -> None:
    lines = run().splitlines()

    assert lines[0].startswith(f"Bus default on {buses['default'].clients.where}: Valkey ")
    assert "noeviction, kept in an append-only file" in lines[1]
    table = {line.split()[0]: line.split() for line in lines if line and not line.startswith("Last")}
    assert table["STREAM,"] == [
        "STREAM,", "GROUP", "EVENTS", "UNREAD", "PENDING", "RETRIES", "DEAD", "OLDEST", "CONSUMERS",
    ]  # fmt: skip
    assert table["events:order"][:3] == ["events:order", "10", "0"]
    assert table["billing"][:4] == ["billing", "6", "4", "0"]
    assert table["billing"][-1] == "1"
    assert table["theirs"][:3] == ["theirs", "10", "0"]


def test_what_is_wrong_stands_there_with_what_to_type(scene: Scene) -> None:
    said = run()

    assert "WARNING (unknown-group): Stream events:order, group theirs:" in said
    assert f"If nobody needs it any more: XGROUP DESTROY {scene.key()} theirs\n" in said


def test_nothing_is_wrong(scene: Scene) -> None:
    scene.client.xgroup_destroy(scene.key(), "theirs")

    assert run("events:order").endswith("Nothing is wrong.\n")


def test_one_stream_with_all_that_is_known(scene: Scene) -> None:
    pause(Asking(buses["default"]), "events:order", "billing", by="ann", why="invoices")
    scene.client.xadd(scene.keys().dead, {"n": 1})

    said = run("events:order")

    assert "10 events of 10 ever added" in said
    assert "1 dead letter; keeps the newest 100,000;" in said
    assert "Group billing: 6 unread, 4 pending, the oldest event is 20 s old" in said
    assert "paused by ann: invoices" in said
    assert "charge of paid" in said
    [consumer] = [line.split() for line in said.splitlines() if line.strip().startswith("web1-1")]
    assert (consumer[1], consumer[2], consumer[-4:]) == ("alive", "4", ["2", "s", "30", "s"])


def test_json_is_all_of_it(scene: Scene) -> None:
    whole, one = json.loads(run("--json")), json.loads(run("events:order", "--json"))

    assert whole["server"]["kind"] == "Valkey"
    assert len(whole["minutes"]) == 60
    [billing, theirs] = one[0]["stream"]["groups"]
    assert billing["behind"] == {"number": 10, "at_least": False}
    assert billing["consumers"][0]["host"] == "web1"
    assert [finding["id"] for finding in one[0]["findings"]] == ["unknown-group"]
    assert theirs["handlers"] == []


def test_a_stream_that_nobody_knows_is_a_usage_error(scene: Scene) -> None:
    for arguments in (["events:ordr"], ["events:order", "events:ordr", "--json"]):
        with pytest.raises(CommandError) as caught:
            run(*arguments)
        assert str(caught.value) == "There is no stream 'events:ordr'. Did you mean 'events:order'?"
        assert caught.value.returncode == 2


def test_a_stream_that_is_declared_and_not_there_yet(scene: Scene, declare: Declare) -> None:
    declare("events:new")

    assert "There is no such key" in run("events:new")


def test_what_is_left_of_a_stream(scene: Scene) -> None:
    scene.client.xadd(scene.keys(topic="events:old").dead, {"n": 1})

    assert "which nothing declares" in run("events:old")


def test_what_is_no_stream(scene: Scene) -> None:
    scene.client.set(scene.key("odd"), "x")

    assert "The key is of another type: string." in run("odd")


def test_what_a_dead_consumer_had_in_hand_is_in_nobodys(scene: Scene) -> None:
    scene.beat("billing", "web1-1", ago_ms=60_000, held=3, oldest="1-1", oldest_ms=1_500, lease_ms=30_000)

    [consumer] = [line.split() for line in run("events:order").splitlines() if line.strip().startswith("web1-1")]

    assert consumer[-4:] == ["-", "-", "30", "s"]


def test_more_streams_than_a_page_has(scene: Scene) -> None:
    scene.opened(*(f"s{n:02}" for n in range(60)))

    first = run()
    [hint] = [line for line in first.splitlines() if line.startswith("More follow")]
    second = run("--after", hint.split()[-1])

    assert "s00" in first
    assert "s59" not in first
    assert "s59" in second
    assert "Bus default" not in second
    assert json.loads(run("--after", "s10", "--json"))["streams"]["items"][0]["topic"] == "s11"


def test_whatever_has_a_hostile_name_is_harmless(scene: Scene) -> None:
    scene.add(1, HOSTILE)
    scene.group(HOSTILE, HOSTILE)
    scene.client.xgroup_create(scene.key(), "\x1b[2J" + "g" * 10_000, "0")
    scene.beat("billing", HOSTILE, host=HOSTILE)
    scene.opened(HOSTILE)

    for said in (run(), run("events:order"), run(HOSTILE)):
        assert said.replace("\n", "").isprintable()
        assert max(map(len, said.splitlines())) < 1_500
    assert json.loads(run(HOSTILE, "--json"))[0]["stream"]["topic"] == HOSTILE


def test_fail_is_for_programs_that_watch(scene: Scene) -> None:
    run("--fail")
    scene.client.hset(scene.keys("billing").consumers, "web1-1", "{}")

    with pytest.raises(SystemExit) as ended:
        run("--fail")
    assert ended.value.code == 1
    with pytest.raises(SystemExit):
        run("events:order", "--fail")


def test_a_server_that_is_away_is_an_error(bus_settings: Callable[..., None]) -> None:
    bus_settings(LOCATION="redis://user:pass-word@127.0.0.1:1/0")

    with pytest.raises(CommandError, match="does not answer") as caught:
        run()
    assert caught.value.returncode == 1
    assert "pass-word" not in str(caught.value)


def test_a_bus_that_is_unknown_is_a_usage_error(bus_settings: Callable[..., None]) -> None:
    with pytest.raises(CommandError, match="no alias") as caught:
        run("--bus", "nowhere")
    assert caught.value.returncode == 2


def test_an_empty_bus(own_server: Callable[..., Server], bus_settings: Callable[..., None]) -> None:
    bus_settings(LOCATION=own_server().url)

    assert "Last 60 minutes: unknown how many added, 0 handled" in run()
