"""docs/how-to/other-clients.md: everything on it that can be typed is typed."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from django_redis_bus import Channel, Event, bus
from tests.conftest import ROOT, missing
from tests.faults.fleet import wait_for
from tests.interop.peers import Lacking, node_modules
from tests.servers import Server
from tests.walkthrough import blocks

PAGE = ROOT / "docs/how-to/other-clients.md"
PORT = 6379
COMMANDS = [line for kind, text in blocks(PAGE) if kind == "sh" for line in text.splitlines() if "redis-cli" in line]
PROGRAMS = {match[1]: text for kind, text in blocks(PAGE) if kind == "js" and (match := re.match(r"// (\S+)\n", text))}


def commands(word: str) -> list[list[str]]:
    return [shlex.split(line) for line in COMMANDS if line.split()[1] == word]


@pytest.fixture
def port(own_server: Callable[..., Server], bus_settings: Callable[..., None]) -> int:
    """A server where the page has one; the default bus is on it, with the page's prefix."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    own_server("redis-server", args=("--port", str(port), "--bind", "127.0.0.1"))
    bus_settings(LOCATION=f"redis://127.0.0.1:{port}/0", KEY_PREFIX="shop")
    return port


@pytest.fixture
def type_in(port: int) -> Callable[[list[str]], str]:
    """Run a redis-cli command of the page and return what it printed."""
    if shutil.which("redis-cli") is None:
        missing("redis-cli")

    def run(words: list[str]) -> str:
        done = subprocess.run([words[0], "-p", str(port), *words[1:]], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
        assert "ERR" not in done.stdout
        return done.stdout.strip()

    return run


@pytest.fixture
def start(port: int, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Start a program; returns the file that it prints into."""
    made: list[subprocess.Popen[bytes]] = []

    def run(*words: str) -> Path:
        output = tmp_path / f"output-{len(made)}"
        with output.open("wb") as file:
            process = subprocess.Popen(
                words, cwd=tmp_path, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT
            )
        made.append(process)
        return output

    yield run
    for each in made:
        each.kill()
        each.communicate()


@pytest.fixture
async def heard(port: int, chat: Channel[Any]) -> AsyncIterator[list[Event[Any]]]:
    """What a handler of ours gets from the room of the page."""
    got: list[Event[Any]] = []
    subscription = await bus.subscribe("chat:lobby", got.append)
    yield got
    await bus.unsubscribe(subscription)


async def until(condition: Callable[[], Any]) -> None:
    await asyncio.to_thread(wait_for, condition)


async def test_what_is_published_with_redis_cli_is_as_the_table_says(
    heard: list[Event[Any]], type_in: Callable[[list[str]], str]
) -> None:
    receivers = [await asyncio.to_thread(type_in, words) for words in commands("PUBLISH")]
    await until(lambda: len(heard) == 3)

    assert receivers == ["1"] * 3
    assert [(event.data, event.type, event.foreign) for event in heard] == [
        ("just text", "", True),
        ({"type": "chat.said", "text": "some JSON"}, "chat.said", True),
        ({"text": "a CloudEvent"}, "chat.said", False),
    ]


def test_redis_cli_hears_what_the_bus_publishes(
    port: int, chat: Channel[Any], start: Callable[..., Path], type_in: Any
) -> None:
    lines = commands("SUBSCRIBE") + commands("PSUBSCRIBE")
    outputs = [start(words[0], "-p", str(port), *words[1:]) for words in lines]
    wait_for(lambda: all("subscribe" in output.read_text() for output in outputs))

    published = chat(room="lobby").publish({"text": "hello"}, type="chat.said")

    assert published.receivers == len(outputs) == 2
    for output in outputs:
        wait_for(lambda output=output: published.event_id in output.read_text())


@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_program_in_node_hears_us_and_is_heard(
    heard: list[Event[Any]], chat: Channel[Any], start: Callable[..., Path], port: int, tmp_path: Path, name: str
) -> None:
    # Given the program as it stands on the page
    try:
        (tmp_path / "node_modules").symlink_to(node_modules())
    except Lacking as error:
        missing(str(error))
    (tmp_path / name).write_text(PROGRAMS[name].replace(str(PORT), str(port)))

    # When it runs, and says something
    output = start("node", name)
    await until(lambda: heard or "Error" in output.read_text())

    # Then we hear it, and it hears us and itself
    assert heard, output.read_text()
    assert heard[0].data == {"text": f"from {name.removesuffix('.mjs')}"}
    assert (heard[0].type, heard[0].source, heard[0].foreign) == ("chat.said", "till", False)
    await chat(room="lobby").apublish({"text": "to Node"}, type="chat.said")
    await until(lambda: "shop:chat:lobby chat.said { text: 'to Node' }" in output.read_text())


def test_the_history_can_be_read(chat: Channel[Any], type_in: Callable[[list[str]], str]) -> None:
    published = [chat(room="lobby").publish({"n": n}) for n in range(2)]
    [history] = commands("XRANGE")

    assert re.findall(r'"n":(\d)', type_in(history)) == ["0", "1"]
    later = type_in([*history[:-2], f"({published[0].offset}", "+"]).splitlines()
    assert later[0] == published[1].offset
    assert json.loads(later[2])["epoch"] == type_in(["redis-cli", "HGET", "{shop:chat:lobby}:live", "epoch"])


def test_the_entries_that_redis_cli_adds_are_events(declare: Any, type_in: Callable[[list[str]], str]) -> None:
    from django.core.management import call_command

    got: list[Event[Any]] = []
    for name in ("events:order", "notes"):
        declare(name).handler(group="all")(got.append)

    for words in commands("XADD"):
        type_in(words)
    for name in ("events:order", "notes"):
        call_command("consume_stream", name, "--burst", verbosity=0)

    assert [(event.id if not event.foreign else "", event.type, event.data) for event in got] == [
        ("6b1f", "shop.order.created", {"id": 7}),
        ("", "note.added", {"type": "note.added", "id": "7"}),
    ]


def test_the_user_that_the_page_makes_may_do_that_and_no_more(port: int, type_in: Callable[[list[str]], str]) -> None:
    import redis

    [words] = commands("ACL")
    assert type_in(words) == "OK"

    with redis.Redis(port=port, username="till", password="secret") as client, client.pubsub() as listener:
        assert client.publish("shop:chat:lobby", "hello") == 0
        assert client.xadd("shop:events:order", {"data": "1"})
        listener.psubscribe("shop:chat:*")
        assert listener.get_message(timeout=5)["type"] == "psubscribe"
        for refused in (
            lambda: client.publish("shop:user:7", "hello"),
            lambda: client.xadd("shop:notes", {"data": "1"}),
            lambda: client.get("shop:events:order"),
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                refused()
