"""The console in any AdminSite, and for any number of buses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from tests.servers import Server

from .conftest import Staff
from .test_hostile import Seen
from .test_rights import PAGES

At = Callable[..., str]
Settings = Callable[..., None]


@pytest.fixture
def ops(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.admin.ops_urls"


@pytest.mark.parametrize("name", PAGES)
def test_all_that_a_page_links_to_is_in_its_own_site(
    name: str, ops: None, staff: Staff, declare: Callable[..., Any]
) -> None:
    declare().publish({"id": 1})
    address = reverse(f"admin:django_redis_bus_{name}", current_app="ops", query=PAGES[name])
    assert address.startswith("/ops/")
    answer = staff("see_bus").get(address)
    assert answer.status_code == 200
    hrefs = [href for href in Seen(answer.content.decode()).hrefs if href.startswith("/") and href != "/"]
    assert hrefs
    assert [href for href in hrefs if not href.startswith("/ops/")] == []


def test_the_default_site_is_served_beside_it(ops: None, staff: Staff, at: At) -> None:
    answer = staff("see_bus").get(at("overview"))
    assert at("overview").startswith("/admin/")
    assert "/ops/" not in answer.content.decode()


def test_the_index_of_another_site_shows_the_console(ops: None, staff: Staff) -> None:
    assert "/ops/django_redis_bus/overview/" in staff("see_bus").get("/ops/").content.decode()
    assert "/ops/django_redis_bus/overview/" not in staff().get("/ops/").content.decode()


def test_another_bus_is_chosen_in_the_address_and_kept_in_links(
    staff: Staff, at: At, bus_settings: Settings, own_server: Callable[..., Server]
) -> None:
    # Given two buses, one stream in the second of them
    eu = own_server()
    bus_settings(others={"eu": {"LOCATION": eu.url, "KEY_PREFIX": "eu", "STREAMS": {"events:parcel": {}}}})
    client = staff("see_bus")
    # When it is looked at
    text = client.get(at("streams", bus="eu")).content.decode()
    # Then
    assert "events:parcel" in text
    assert "events:parcel" not in client.get(at("streams")).content.decode()
    streams = [parse_qs(urlsplit(href).query) for href in Seen(text).hrefs if "/stream/" in href]
    assert streams
    assert all(query["bus"] == ["eu"] for query in streams)


def test_one_bus_needs_no_switch_and_several_have_one(
    staff: Staff, at: At, bus_settings: Settings, server: Any
) -> None:
    client = staff("see_bus")
    assert "bus-switch" not in client.get(at("overview")).content.decode()
    bus_settings(others={"eu": {"LOCATION": server.url, "KEY_PREFIX": "eu"}})
    text = client.get(at("stream", stream="events:order")).content.decode()
    assert at("streams", bus="eu") in text


def test_one_bus_in_trouble_leaves_the_switch_to_the_others(
    staff: Staff, at: At, bus_settings: Settings, server: Any
) -> None:
    bus_settings(others={"eu": {"LOCATION": "unix:///nowhere/s", "KEY_PREFIX": "eu"}})
    client = staff("see_bus")
    answer = client.get(at("overview", bus="eu"))
    assert answer.status_code == 503
    assert at("overview", bus="default") in answer.content.decode()
    assert client.get(at("overview", bus="default")).status_code == 200


def test_a_bus_that_is_not_configured_is_not_found(staff: Staff, at: At, bus_settings: Settings) -> None:
    answer = staff("see_bus").get(at("overview", bus="<b>us"))
    text = answer.content.decode()
    assert answer.status_code == 404
    assert "There is no bus" in text
    assert "<b>us" not in text


def test_without_any_bus_the_page_says_so(staff: Staff, at: At, settings: Any) -> None:
    client = staff("see_bus")
    settings.REDIS_BUS = {}
    answer = client.get(at("overview"))
    assert answer.status_code == 404
    assert "There is no bus" in answer.content.decode()
