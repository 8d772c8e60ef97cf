"""The JavaScript client against the real relay: pages talk, servers go, and nothing is missed in silence."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from django_redis_bus.access import anyone

from ..site_server import Site, sites
from .pages import Page

LOBBY = "chat:lobby"


@pytest.fixture
def site(process_env: Any, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """A factory of running servers: site("daphne", keepalive=1)."""
    yield from sites(process_env, tmp_path)


@pytest.fixture
def page(node: str, project: Path) -> Iterator[Callable[..., Page]]:
    """A factory of connected pages: page(site)."""
    made: list[Page] = []

    def make(site: Site) -> Page:
        made.append(Page(node, project, site.url))
        made[-1].wait_state("open")
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def chat(channel: Any) -> Any:
    """The channel of asgi.py, in this process."""
    return channel("chat:{room}", history=1000, can_join=anyone, can_publish=anyone)


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
def test_two_pages_chat(kind: str, site: Any, page: Any, chat: Any) -> None:
    server = site(kind)
    ada, bob = page(server), page(server)
    for each in (ada, bob):
        each.do("join", LOBBY)
        each.wait(LOBBY, "joined")

    said = ada.do("publish", LOBBY, {"text": "hello, bob ☃"})
    bob.wait(LOBBY, "message")
    bob.do("publish", LOBBY, {"text": "hello, ada"})
    bob.do("publish", LOBBY, "…", {"type": "chat.typing", "ephemeral": True})
    ada.wait(LOBBY, "message", count=3)
    chat(room="lobby").publish("from Django")

    assert bob.wait(LOBBY, "message", count=4)[0]["id"] == said["value"]["event_id"]
    assert ada.wait(LOBBY, "message", count=4)[2]["ephemeral"] is True
    expected = [{"text": "hello, bob ☃"}, {"text": "hello, ada"}, "…", "from Django"]
    assert (ada.data(LOBBY), bob.data(LOBBY)) == (expected, expected)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_what_is_said_while_the_server_is_away_comes_once_and_in_order(
    how: signal.Signals, site: Any, page: Any, chat: Any
) -> None:
    # Given two rooms, and messages before the server goes
    server = site()
    ada = page(server)
    for topic in (LOBBY, "chat:tea"):
        ada.do("join", topic, {"history": 10})
        ada.wait(topic, "joined")
    chat(room="lobby").publish(0)
    ada.wait(LOBBY, "message")

    # When
    server.stop(how)
    ada.wait_state("waiting")
    for number in (1, 2, 3):
        chat(room="lobby").publish(number)
    chat(room="tea").publish("milk")
    server.start()
    ada.wait_state("open")
    ada.wait(LOBBY, "joined", count=2)
    chat(room="lobby").publish(4)

    # Then
    ada.wait(LOBBY, "message", count=5)
    ada.wait("chat:tea", "message")
    assert ada.data(LOBBY) == [0, 1, 2, 3, 4]
    assert ada.data("chat:tea") == ["milk"]


def test_what_is_too_much_to_catch_up_with_is_a_gap_with_its_size(site: Any, page: Any, chat: Any) -> None:
    server = site(history=5)
    ada = page(server)
    ada.do("join", LOBBY, {"history": 5})
    ada.wait(LOBBY, "joined")
    server.stop()
    for number in range(8):
        chat(room="lobby").publish(number)
    server.start()

    ada.wait(LOBBY, "joined", count=2)

    assert ada.data(LOBBY) == [{"missed": 3}, 3, 4, 5, 6, 7]


def test_a_channel_that_keeps_nothing_says_so_after_a_reconnect(site: Any, page: Any) -> None:
    server = site()
    ada = page(server)
    ada.do("join", "live:a")
    ada.wait("live:a", "joined")
    server.stop()
    server.start()

    ada.wait("live:a", "joined", count=2)

    assert ada.data("live:a") == [{"missed": None}]


def test_who_leaves_hears_nothing_and_may_come_again(site: Any, page: Any, chat: Any) -> None:
    ada = page(site())
    ada.do("join", LOBBY)
    ada.wait(LOBBY, "joined")
    ada.do("leave", LOBBY)
    ada.do("join", "chat:tea")
    ada.wait("chat:tea", "joined")
    chat(room="lobby").publish("unheard")
    ada.do("join", LOBBY)
    ada.wait(LOBBY, "joined", count=2)
    chat(room="lobby").publish("heard")

    ada.wait(LOBBY, "message")

    assert ada.data(LOBBY) == ["heard"]


def test_what_is_refused_is_told(site: Any, page: Any) -> None:
    ada = page(site())

    for topic, code in (("team:red", "forbidden"), ("nothing:here", "unknown_topic"), ("chat:*", "unknown_topic")):
        ada.do("join", topic)
        assert ada.wait(topic, "left") == [{"why": code}]
        assert ada.of(topic, "error")[0]["code"] == code
    ada.do("join", LOBBY)
    ada.wait(LOBBY, "joined")
    assert ada.do("publish", LOBBY, {}, {"type": "bus.presence.left"})["code"] == "invalid_payload"
    assert ada.do("publish", LOBBY, "x" * 20_000)["code"] == "too_large"
    ada.wait_state("open")


@pytest.mark.slow
def test_a_server_that_is_frozen_is_noticed_and_nothing_is_lost(site: Any, page: Any, chat: Any) -> None:
    server = site(keepalive=1)
    ada = page(server)
    ada.do("join", LOBBY)
    ada.wait(LOBBY, "joined")

    server.process.send_signal(signal.SIGSTOP)
    ada.wait_state("waiting")
    chat(room="lobby").publish("meanwhile")
    server.process.send_signal(signal.SIGCONT)

    ada.wait(LOBBY, "joined", count=2)
    assert ada.data(LOBBY) == ["meanwhile"]
