"""A socket lives longer than what let it in: logouts, lost rights and inactive users end it, in every process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.sessions import InstanceSessionWrapper
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model, logout
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import OperationalError
from django.http import HttpRequest

from django_redis_bus import revoking
from django_redis_bus.access import anyone, signed_in
from django_redis_bus.bus import buses
from django_redis_bus.relay import guard
from django_redis_bus.relay.routing import websocket_application
from django_redis_bus.revoking import revoke

from .conftest import ORIGIN, eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def sessions(settings: Any, tmp_path: Any) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.file"
    settings.SESSION_FILE_PATH = str(tmp_path)


@pytest.fixture(autouse=True)
def chat(channel: Any) -> Any:
    return channel("chat:{room}", can_join=signed_in, can_publish="auth.change_user")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, bus_settings: Any) -> None:
    monkeypatch.setattr(guard, "TICK_S", 0.05)
    bus_settings(RELAY={"recheck": 3600})  # what happens, happens because it was told


@pytest.fixture
def log_in(browser: Any) -> Callable[..., Any]:
    """A factory of (browser, user, request): a person who has logged in at the site, and opened a page."""

    async def make(name: str = "ada") -> Any:
        user, request = await sync_to_async(_logged_in)(name)
        cookie = f"{django_settings.SESSION_COOKIE_NAME}={request.session.session_key}".encode()
        page = await browser(app=websocket_application(), headers=[*ORIGIN, (b"cookie", cookie)], user="from session")
        return page, user, request

    return make


def _logged_in(name: str) -> Any:
    user, _ = get_user_model().objects.get_or_create(username=name)
    session = import_module(django_settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    request = HttpRequest()
    request.session, request.user = session, user
    return user, request


async def heard_control(page: Any) -> None:
    """Wait until this process listens to the others."""
    await eventually(lambda: guard.guard_of(buses["default"])._attachment is not None)


async def test_the_session_says_who_it_is(log_in: Any) -> None:
    page, user, _ = await log_in()

    assert page.welcome["user"] == {"id": str(user.pk), "name": "ada"}
    assert (await page.join("chat:a"))["can_publish"] is False


async def test_frames_do_not_pass_through_the_session(log_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given Channels' session middleware, which looks at the session before each frame it passes on
    passed: list[Any] = []
    monkeypatch.setattr(InstanceSessionWrapper, "send", lambda self, message: passed.append(message))

    page, _, _ = await log_in()
    await page.join("chat:a")

    assert passed == []


async def test_logout_ends_the_sockets_of_that_session_only(log_in: Any) -> None:
    page, _, request = await log_in()
    other_session, _, _ = await log_in()
    other_user, _, _ = await log_in("bob")
    await heard_control(page)

    await sync_to_async(logout)(request)

    assert await page.close_code() == 4401
    for still_there in (other_session, other_user):
        assert (await still_there.join("chat:a"))["do"] == "joined"


@pytest.mark.parametrize("change", ["inactive", "deleted", "password"])
async def test_a_user_who_may_not_log_in_any_more_is_out_at_once(log_in: Any, change: str) -> None:
    page, user, _ = await log_in()
    await heard_control(page)

    def act() -> None:
        user.refresh_from_db()
        if change == "inactive":
            user.is_active = False
            user.save()
        elif change == "deleted":
            user.delete()
        else:
            user.set_password("another")
            user.save()

    await sync_to_async(act)()

    assert await page.close_code() == 4401


@pytest.mark.parametrize("what", ["group", "permission"])
async def test_a_group_or_a_permission_that_is_deleted_counts_at_once(log_in: Any, channel: Any, what: str) -> None:
    # Their rows in the relations go without an m2m_changed.
    channel("secret:{id}", can_join="auth.view_user")
    page, user, _ = await log_in()

    def give() -> Any:
        permission = Permission.objects.get_or_create(
            codename="view_user", content_type=ContentType.objects.get_for_model(get_user_model())
        )[0]
        group = Group.objects.create(name="staff")
        group.permissions.add(permission)
        user.groups.add(group)
        return group if what == "group" else permission

    given = await sync_to_async(give)()
    await heard_control(page)
    await asyncio.sleep(0.5)
    assert (await page.join("secret:1"))["do"] == "joined"

    await sync_to_async(given.delete)()

    assert await page.next() == {"do": "left", "topic": "secret:1", "why": "forbidden"}


@pytest.mark.parametrize("by", ["user", "group", "group's permissions", "the other side"])
async def test_a_permission_given_or_taken_counts_at_once(log_in: Any, channel: Any, by: str) -> None:
    channel("secret:{id}", can_join="auth.view_user")
    page, user, _ = await log_in()
    await heard_control(page)

    def give() -> Any:
        permission = Permission.objects.get_or_create(
            codename="view_user", content_type=ContentType.objects.get_for_model(get_user_model())
        )[0]
        group, _ = Group.objects.get_or_create(name="staff")
        if by == "user":
            user.user_permissions.add(permission)
            return lambda: user.user_permissions.remove(permission)
        if by == "group":
            group.permissions.add(permission)
            user.groups.add(group)
            return lambda: user.groups.clear()
        if by == "group's permissions":
            user.groups.add(group)
            group.permissions.add(permission)
            return lambda: group.permissions.set([])
        group.permissions.add(permission)
        group.user_set.add(user)
        return lambda: group.user_set.remove(user)

    assert (await page.join("secret:1"))["code"] == "forbidden"
    take = await sync_to_async(give)()
    await asyncio.sleep(0.5)
    assert (await page.join("secret:1"))["do"] == "joined"
    await sync_to_async(take)()

    assert await page.next() == {"do": "left", "topic": "secret:1", "why": "forbidden"}
    assert (await page.ask("ping"))["do"] == "pong"


async def test_a_rule_of_the_project_is_asked_again(channel: Any, browser: Any, bus_settings: Any) -> None:
    guests = {"lobby"}

    async def is_open(user: Any, room: str) -> bool:
        return room in guests

    channel("door:{room}", can_join=is_open)
    bus_settings(RELAY={"recheck": 1})
    page = await browser()
    await page.join("door:lobby")

    guests.clear()

    assert (await page.next())["why"] == "forbidden"


async def test_revoke_looks_again_in_every_process(channel: Any, browser: Any) -> None:
    guests = {"lobby"}

    async def is_open(user: Any, room: str) -> bool:
        return room in guests

    channel("door:{room}", can_join=is_open)
    page = await browser()
    await page.join("door:lobby")
    await heard_control(page)

    guests.clear()
    await sync_to_async(revoke)()

    assert (await page.next())["why"] == "forbidden"


async def test_a_database_that_is_away_throws_nobody_out(
    log_in: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    page, user, _ = await log_in()
    await page.join("chat:a")
    await heard_control(page)
    asked = []

    async def away(*args: Any) -> Any:
        asked.append(args)
        raise OperationalError("gone")

    monkeypatch.setattr(guard, "fresh", away)
    await sync_to_async(revoke)(user=user)
    await eventually(lambda: bool(asked))

    assert await page.is_silent()
    assert "OperationalError" in caplog.text


async def test_nobody_is_told_where_no_browser_may_join(
    chat: Any, monkeypatch: pytest.MonkeyPatch, bus_settings: Any
) -> None:
    from django_redis_bus import registry

    registry.remove_channel(chat)
    told: list[Any] = []
    monkeypatch.setattr(revoking, "call", lambda *args, **kwargs: told.append(args))

    await sync_to_async(revoke)()

    assert told == []


async def test_what_is_no_revocation_is_ignored(browser: Any, server: Any, prefix: str, channel: Any) -> None:
    channel("open:{room}", can_join=anyone)
    page = await browser()
    await heard_control(page)

    for raw in (b"x", b"\xff", b"[]", b'{"user":7}', b"null"):
        server.client().publish(f"{prefix}:{revoking.CONTROL}", raw)

    assert await page.is_silent()
    assert (await page.join("open:a"))["do"] == "joined"


async def test_a_login_is_no_change_of_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(revoking, "call", lambda *args, **kwargs: told.append(args))

    def log_in_again() -> None:
        user = get_user_model().objects.create(username="eve")
        user.save(update_fields=["last_login"])

    await sync_to_async(log_in_again)()

    assert told == []
