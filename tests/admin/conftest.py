"""Browsers of people with various rights, and visits for pages whose reports are made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client, RequestFactory
from django.urls import reverse

from django_redis_bus import buses
from django_redis_bus.admin.rights import Rights
from django_redis_bus.admin.visits import Visit
from django_redis_bus.operations.asking import Asking
from tests.operations.ward import Ward

RIGHTS = ("see_bus", "see_payloads", "operate_bus", "destroy_bus")
Staff = Callable[..., Client]


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """A factory of users: person("see_bus", is_staff=True)."""

    def make(*rights: str, **options: Any) -> User:
        made = User.objects.create_user(username=f"user{User.objects.count()}", password="x", **options)
        given = [Permission.objects.get(codename=right, content_type__app_label="django_redis_bus") for right in rights]
        made.user_permissions.add(*given)
        return made

    return make


@pytest.fixture
def staff(person: Callable[..., User], bus_settings: Callable[..., None]) -> Staff:
    """A factory of browsers in which somebody has logged in: staff("see_bus"), staff(is_superuser=True)."""

    def make(*rights: str, is_staff: bool = True, **options: Any) -> Client:
        client = Client()
        client.force_login(person(*rights, is_staff=is_staff, **options))
        return client

    return make


@pytest.fixture
def at() -> Callable[..., str]:
    """The address of a console page: at("stream", stream="events:order")."""

    def make(name: str, **query: str) -> str:
        return reverse(f"admin:django_redis_bus_{name}", query=query)

    return make


@pytest.fixture
def visit(bus_settings: Callable[..., None], rf: RequestFactory, db: None) -> Callable[..., Visit]:
    """A factory of visits to the default bus: visit("see", "payloads", tab="streams", group="billing")."""

    def make(*rights: str, tab: str = "overview", **query: str) -> Visit:
        request = rf.get("/", query)
        request.user = User(username="ada", is_staff=True, is_superuser=True)
        may = Rights(**dict.fromkeys(rights or ("see",), True))
        bus = buses["default"]
        return Visit(
            request=request, site=admin.site, rights=may, alias="default", tab=tab, bus=bus, asking=Asking(bus)
        )

    return make


@pytest.fixture
def page(visit: Callable[..., Visit]) -> Callable[..., str]:
    """Render what a page's function makes of a report: page(streams.shown, report, (), rights=("see",))."""

    def render(show: Callable[..., Any], *args: Any, rights: tuple[str, ...] = ("see",), **query: str) -> str:
        return str(show(visit(*rights, **query), *args).render().content.decode())

    return render


@pytest.fixture
def ward(bus_settings: Callable[..., None], redis_client: redis.Redis, prefix: str) -> Ward:
    """A stream and a group of it in need of help, on the main server."""
    return Ward(redis_client, prefix)
