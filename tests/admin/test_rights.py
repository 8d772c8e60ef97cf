"""Who may enter which page of the console: four permissions, and no superuser needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.urls import reverse

from django_redis_bus.admin import channels
from django_redis_bus.admin.places import ChannelPlace, DeadLetterPlace, OverviewPlace, StreamPlace
from django_redis_bus.admin.rights import Rights, rights_of

from .conftest import RIGHTS, Staff

At = Callable[..., str]
PAGES = {
    "overview": {},
    "streams": {},
    "stream": {"stream": "events:order"},
    "entries": {"stream": "events:order"},
    "channels": {},
    "channel": {"channel": "news"},
}
ALL_ROUTES = [route for place in (OverviewPlace, StreamPlace, DeadLetterPlace, ChannelPlace) for route in place.routes]


@pytest.mark.parametrize("name", PAGES)
def test_who_has_not_logged_in_is_asked_to(name: str, db: None, at: At) -> None:
    answer = Client().get(at(name, **PAGES[name]))
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("route", ALL_ROUTES, ids=lambda route: route.name)
def test_who_is_no_staff_is_asked_to_log_in_whatever_he_may(route: Any, staff: Staff, at: At) -> None:
    assert staff(*RIGHTS, is_staff=False).get(at(route.name)).status_code == 302
    assert staff(is_superuser=True, is_active=False).get(at(route.name)).status_code == 302


@pytest.mark.parametrize("route", ALL_ROUTES, ids=lambda route: route.name)
@pytest.mark.parametrize("rights", [(), ("see_payloads",), ("operate_bus", "destroy_bus", "see_payloads")])
def test_staff_without_the_right_to_see_enter_no_page(
    route: Any, rights: tuple[str, ...], staff: Staff, at: At
) -> None:
    client = staff(*rights)
    assert client.get(at(route.name)).status_code == 403
    assert client.post(at(route.name)).status_code == 403


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("rights", [("see_bus",), ("see_bus", "see_payloads"), ("see_bus", "operate_bus"), RIGHTS])
def test_who_may_see_enters_each_page(
    name: str, rights: tuple[str, ...], staff: Staff, at: At, declare: Callable[..., object]
) -> None:
    declare("events:order")
    assert staff(*rights).get(at(name, **PAGES[name])).status_code == 200


@pytest.mark.parametrize("name", PAGES)
def test_a_superuser_enters_each_page(name: str, staff: Staff, at: At, declare: Callable[..., object]) -> None:
    declare("events:order")
    assert staff(is_superuser=True).get(at(name, **PAGES[name])).status_code == 200


def test_only_who_may_see_payloads_may_listen(
    staff: Staff, at: At, monkeypatch: pytest.MonkeyPatch, declare_channel: Callable[..., object]
) -> None:
    monkeypatch.setattr(channels, "HEAR_S", 0.2)
    declare_channel("news")
    assert staff("see_bus", "operate_bus", "destroy_bus").get(at("hear", channel="news")).status_code == 403
    assert staff("see_bus", "see_payloads").get(at("hear", channel="news")).status_code == 200


def test_the_index_shows_the_console_to_who_may_see_and_to_nobody_else(staff: Staff) -> None:
    index, address = reverse("admin:index"), reverse("admin:django_redis_bus_overview")
    assert address in staff("see_bus").get(index).content.decode()
    assert address not in staff("operate_bus", "see_payloads").get(index).content.decode()
    assert address in staff("see_bus").get(reverse("admin:app_list", args=["django_redis_bus"])).content.decode()
    assert staff().get(reverse("admin:app_list", args=["django_redis_bus"])).status_code == 404


def test_rights_are_nothing_without_the_right_to_see(person: Callable[..., User], rf: RequestFactory) -> None:
    request = rf.get("/")
    request.user = person("see_payloads", "operate_bus", "destroy_bus", is_staff=True)
    assert rights_of(request) == Rights()
    request.user = person("see_bus", "operate_bus", is_staff=True)
    assert rights_of(request) == Rights(see=True, operate=True)


@pytest.mark.parametrize(
    "route", [each for each in ALL_ROUTES if "POST" not in each.methods], ids=lambda each: each.name
)
def test_pages_to_read_answer_no_other_method(route: Any, staff: Staff, at: At) -> None:
    client = staff(*RIGHTS)
    for method in (client.post, client.put, client.patch, client.delete):
        answer = method(at(route.name))
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "GET, HEAD"


def test_no_page_is_kept_by_a_cache(staff: Staff, at: At) -> None:
    assert "no-store" in staff("see_bus").get(at("overview")).headers["Cache-Control"]
