"""Whose pages may open a socket."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import path

from django_redis_bus.bus import buses
from django_redis_bus.relay import origins
from django_redis_bus.relay.consumers import RoomConsumer
from django_redis_bus.relay.origins import is_allowed
from django_redis_bus.relay.routing import websocket_application

from .conftest import Browser, close_relay


@pytest.mark.parametrize(
    "headers",
    [
        [(b"origin", b"http://evil.example")],
        [(b"origin", b"http://testserver.evil.example")],
        [(b"origin", b"null")],
        [(b"origin", b"http://[")],
        [(b"origin", b"\xff")],
        [(b"host", b"testserver")],
    ],
    ids=repr,
)
async def test_a_foreign_page_is_refused(bus_settings: Any, headers: Any) -> None:
    foreign = Browser(headers=headers)
    await foreign.socket.connect()

    assert await foreign.close_code() == 4403


@pytest.mark.parametrize(
    ("origin", "host", "is_ours"),
    [
        ("https://shop.example", "shop.example", True),
        ("http://SHOP.example", "shop.example:80", True),
        ("https://shop.example", "shop.example:443", True),
        ("http://shop.example:8000", "shop.example:8000", True),
        (None, "shop.example", True),
        ("https://evil.example", "shop.example", False),
        ("https://shop.example:8443", "shop.example", False),
        ("http://shop.example", "shop.example:443", False),
        ("https://shop.example@evil.example", "shop.example", False),
        ("https://shop.example.evil.example", "shop.example", False),
        ("null", "shop.example", False),
        ("null", "null", False),
        ("file://", "", False),
        ("ftp://shop.example", "shop.example", False),
        ("https://shop.example", None, False),
        ("https://shop.example", "[", False),
    ],
)
def test_where_any_host_serves_the_site_its_pages_are_those_of_the_same_host(
    bus_settings: Any, settings: Any, origin: str | None, host: str | None, is_ours: bool
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    headers = [(b"origin", origin), (b"host", host)]
    scope = {"headers": [(name, value.encode()) for name, value in headers if value is not None]}

    assert is_allowed(scope, buses["default"]) is is_ours


def test_a_refused_page_is_told_to_the_log_and_not_a_thousand_times(
    bus_settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(origins._Refused, "logged_at_s", float("-inf"))
    hostile = b"http://evil.example/\r\nERROR forged" + b"x" * 1_000

    for _ in range(50):
        assert not is_allowed({"headers": [(b"origin", hostile)]}, buses["default"])

    [record] = caplog.records
    assert "http://evil.example/" in record.getMessage()
    assert record.getMessage().isprintable()
    assert len(record.getMessage()) < 400


async def test_what_one_of_several_buses_names_is_no_foreign_page(bus_settings: Any, settings: Any) -> None:
    location = settings.REDIS_BUS["default"]
    bus_settings(RELAY={"origins": ["https://shop.example"]})
    settings.REDIS_BUS = settings.REDIS_BUS | {"eu": location | {"RELAY": {"origins": ["https://eu.example"]}}}

    class European(RoomConsumer):
        bus_alias = "eu"

    app = websocket_application([path("eu/", European.as_asgi())])  # type: ignore[arg-type]

    async def code(origin: bytes, place: str) -> int | None:
        page = Browser(headers=[(b"origin", origin)], path=place, app=app)
        await page.socket.connect()
        first = await page.socket.receive_output(timeout=5)
        await page.close()
        return first.get("code")

    assert await code(b"https://eu.example", "/eu/") is None
    assert await code(b"https://shop.example", "/bus/") is None
    assert await code(b"https://shop.example", "/eu/") == 4403
    assert await code(b"https://eu.example", "/bus/") == 4403
    assert await code(b"https://evil.example", "/eu/") == 4403
    await close_relay()


async def test_origins_of_the_settings(bus_settings: Any, browser: Any) -> None:
    bus_settings(RELAY={"origins": ["https://shop.example"]})

    friend = await browser(headers=[(b"origin", b"https://shop.example")])
    foreign = Browser()
    await foreign.socket.connect()

    assert friend.welcome["do"] == "welcome"
    assert await foreign.close_code() == 4403
