"""Event streams through real ASGI servers."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from django_redis_bus.access import anyone
from tests.faults.fleet import wait_for

from ..site_server import Site, sites
from .event_source import LOBBY, Parser


@pytest.fixture
def site(process_env: Any, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """A factory of running servers: site("daphne", keepalive=1)."""
    yield from sites(process_env, tmp_path)


@pytest.fixture
def chat(channel: Any) -> Any:
    """The channel of asgi.py, in this process."""
    return channel("chat:{room}", history=1000, can_join=anyone)


class Stream:
    """A browser's request for the lobby."""

    def __init__(self, site: Site, last_id: str = "") -> None:
        self.parser = Parser()
        self.events: list[tuple[str, Any]] = []
        self._connection = HTTPConnection("localhost", site.port, timeout=10)
        self._connection.request("GET", f"/bus/events/?topic={LOBBY}", headers={"Last-Event-ID": last_id})
        self.answer: HTTPResponse = self._connection.getresponse()
        assert self.answer.status == 200, self.answer.read()

    def take(self, count: int) -> list[Any]:
        """The data of so many messages; of others their names."""
        while len(self.events) < count:
            chunk = self.answer.read1(65_536)
            assert chunk, "the stream has ended"
            self.events += self.parser.feed(chunk)
        taken, self.events = self.events[:count], self.events[count:]
        return [data["event"]["data"] if name == "message" else name for name, data in taken]

    def close(self) -> None:
        self.answer.close()
        self._connection.close()


def members(site: Site) -> int:
    connection = HTTPConnection("localhost", site.port, timeout=10)
    connection.request("GET", f"/members/?topic={LOBBY}")
    found = json.load(connection.getresponse())
    connection.close()
    return int(found.get(LOBBY, 0))


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
def test_a_stream_comes_as_it_is_said_and_leaves_nothing_behind(kind: str, site: Any, chat: Any) -> None:
    # Given two browsers
    server = site(kind)
    stays, goes = Stream(server), Stream(server)
    assert (stays.take(1), goes.take(1)) == (["joined"], ["joined"])
    assert members(server) == 2

    # When one goes
    chat(room="lobby").publish("one")
    assert (stays.take(1), goes.take(1)) == (["one"], ["one"])
    goes.close()

    # Then the room has one member, who hears the rest
    wait_for(lambda: members(server) == 1)
    began = time.monotonic()
    chat(room="lobby").publish("two")
    assert stays.take(1) == ["two"]
    assert time.monotonic() - began < 2  # it is not kept in a buffer
    stays.close()
    wait_for(lambda: members(server) == 0)
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
def test_what_is_said_while_the_server_is_away_comes_once_and_in_order(kind: str, site: Any, chat: Any) -> None:
    server = site(kind)
    before = Stream(server)
    assert before.take(1) == ["joined"]
    chat(room="lobby").publish(0)
    assert before.take(1) == [0]
    before.close()
    server.stop(signal.SIGKILL)
    for number in (1, 2, 3):
        chat(room="lobby").publish(number)
    server.start()

    again = Stream(server, before.parser.last_id)

    assert again.take(4) == [1, 2, 3, "joined"]
    again.close()
