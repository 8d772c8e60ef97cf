"""Redis that does not answer, buses that are not there: the console says so, soon, and the admin goes on."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from django.urls import reverse

from django_redis_bus.operations.asking import PAGE_S
from tests.servers import Server

from .conftest import Staff
from .test_rights import ALL_ROUTES, PAGES

At = Callable[..., str]
Settings = Callable[..., None]


@pytest.fixture
def nobody_port() -> Iterator[int]:
    """A port on which nobody listens, and nobody else will."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]


@pytest.mark.parametrize("name", PAGES)
def test_a_redis_that_is_not_there_is_said_with_the_reason_and_what_to_do(
    name: str, staff: Staff, at: At, bus_settings: Settings, nobody_port: int
) -> None:
    bus_settings(LOCATION=f"redis://ada:s3cr3t@127.0.0.1:{nobody_port}/0")
    answer = staff("see_bus").get(at(name, **PAGES[name]))
    text = answer.content.decode()
    assert answer.status_code == 503
    assert "Redis cannot be asked" in text
    assert f"127.0.0.1:{nobody_port}" in text
    assert "Check that the server runs" in text
    assert "s3cr3t" not in text
    assert "Traceback" not in text


@pytest.mark.parametrize("name", PAGES)
def test_a_redis_that_hangs_is_not_waited_for(
    name: str,
    staff: Staff,
    at: At,
    bus_settings: Settings,
    own_server: Callable[..., Server],
    declare: Callable[..., object],
) -> None:
    declare("events:order")
    # Given a bus that this process has spoken with
    server = own_server()
    bus_settings(LOCATION=server.url)
    client = staff("see_bus")
    assert client.get(at(name, **PAGES[name])).status_code == 200
    # When it hangs
    server.freeze()
    answer = client.get(at(name, **PAGES[name]))
    # Then the page gives up, and is itself again as soon as Redis is
    assert answer.status_code == 503
    server.thaw()
    assert client.get(at(name, **PAGES[name])).status_code == 200


def test_no_page_to_read_may_wait_for_two_seconds() -> None:
    assert PAGE_S <= 1.5
    assert {route.name for route in ALL_ROUTES if route.within_s > PAGE_S} == {"hear"}


def test_a_page_in_trouble_asks_again(staff: Staff, at: At, bus_settings: Settings, nobody_port: int) -> None:
    bus_settings(LOCATION=f"redis://127.0.0.1:{nobody_port}")
    assert 'data-bus-refresh="5"' in staff("see_bus").get(at("overview")).content.decode()


def test_the_rest_of_the_admin_does_not_ask_redis(staff: Staff, bus_settings: Settings, nobody_port: int) -> None:
    bus_settings(LOCATION=f"redis://127.0.0.1:{nobody_port}")
    client = staff(is_superuser=True)
    assert client.get(reverse("admin:index")).status_code == 200
    assert client.get(reverse("admin:auth_user_changelist")).status_code == 200
    assert client.get(reverse("admin:app_list", args=["django_redis_bus"])).status_code == 200


def test_a_refused_password_is_said_and_not_shown(
    staff: Staff, at: At, bus_settings: Settings, own_server: Callable[..., Server]
) -> None:
    server = own_server()
    server.client().acl_setuser("ada", enabled=True, passwords=["+the-right-one"], keys=["*"], commands=["+@all"])
    bus_settings(LOCATION=f"unix://ada:the-wr0ng-one@{server.socket_path}")
    answer = staff("see_bus").get(at("overview"))
    text = answer.content.decode()
    assert answer.status_code == 503
    assert "Redis refuses" in text
    assert "Check the user and the password in LOCATION" in text
    assert "the-wr0ng-one" not in text


def test_the_password_of_a_redis_that_answers_is_not_shown_either(
    staff: Staff,
    at: At,
    bus_settings: Settings,
    own_server: Callable[..., Server],
    declare: Callable[..., object],
) -> None:
    declare("events:order")
    server = own_server()
    server.client().acl_setuser("ada", enabled=True, passwords=["+the-right-one"], keys=["*"], commands=["+@all"])
    bus_settings(LOCATION=f"unix://ada:the-right-one@{server.socket_path}")
    client = staff(is_superuser=True)
    for name, query in PAGES.items():
        answer = client.get(at(name, **query))
        assert answer.status_code == 200
        assert "the-right-one" not in answer.content.decode()


def test_settings_that_cannot_work_are_said(staff: Staff, at: At, settings: Any) -> None:
    settings.REDIS_BUS = {"default": {"LOCATION": "redis://ada:s3cr3t@host:port"}}
    answer = staff("see_bus").get(at("overview"))
    assert answer.status_code == 400
    assert "REDIS_BUS" in answer.content.decode()
    assert "s3cr3t" not in answer.content.decode()


def test_a_place_that_is_none_and_a_name_that_lacks_are_said(staff: Staff, at: At) -> None:
    client = staff("see_bus")
    for address, what in (
        (at("stream"), "lacks “stream=…”"),
        (at("entries", stream="events:order", start="yesterday"), "yesterday"),
        (at("entries", stream="events:order", at="yesterday"), "“yesterday” is no time"),
        (at("entries", stream="events:order", at="2026-13-45T00:00"), "is no time"),
        (at("entry", stream="events:order", id="x"), "entry id"),
    ):
        answer = client.get(address)
        assert answer.status_code == 400, address
        assert what in answer.content.decode(), address
    answer = client.get(at("entry", stream="events:order", id="1-0"))
    assert answer.status_code == 404
    assert "has no entry 1-0" in answer.content.decode()


def test_looking_changes_nothing_in_redis(
    staff: Staff, at: At, redis_client: Any, prefix: str, declare: Callable[..., object]
) -> None:
    stream = declare()
    stream.publish({"id": 1})

    def kept() -> dict[bytes, bytes]:
        return {key: redis_client.dump(key) for key in redis_client.scan_iter(f"*{prefix}*", count=1000)}

    before = kept()
    client = staff(is_superuser=True)
    for name, query in PAGES.items():
        assert client.get(at(name, **query)).status_code == 200
        assert client.head(at(name, **query)).status_code == 200
    assert before
    assert kept() == before
