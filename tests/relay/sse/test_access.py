"""Who may have a stream, and for how long."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model, logout
from django.contrib.sessions.backends.file import SessionStore
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest
from django.test import RequestFactory

from django_redis_bus.access import anyone, owner, signed_in
from django_redis_bus.bus import buses
from django_redis_bus.relay import guard as guarding
from django_redis_bus.relay.guard import guard_of
from django_redis_bus.relay.rooms import rooms_of
from django_redis_bus.relay.sse import live_events
from django_redis_bus.revoking import CONTROL, revoke

from ..conftest import eventually
from .event_source import LOBBY, members


async def say(chat: Any, *said: Any, room: str = "lobby") -> list[Any]:
    return [await chat(room=room).apublish(each) for each in said]


@pytest.mark.parametrize(
    ("topics", "query", "status", "says"),
    [
        ((), {}, 400, "?topic="),
        (tuple(f"chat:{n}" for n in range(51)), {}, 400, "1 to 50"),
        ((LOBBY,), {"history": "many"}, 400, "history is a number"),
        (("nothing:here",), {}, 404, "There is no topic 'nothing:here'"),
        ((LOBBY, "chat:"), {}, 404, "There is no topic 'chat:'"),
        (("chat:*",), {}, 404, "There is no topic 'chat:*'"),
        ((CONTROL,), {}, 404, "There is no topic"),
        (("__keyevent@0__:set",), {}, 404, "There is no topic"),
        (("secret:a",), {}, 403, "You may not join 'secret:a'"),
        ((LOBBY, "secret:a"), {}, 403, "You may not join 'secret:a'"),
    ],
)
async def test_refusals_say_why_before_a_stream_begins(
    topics: Any, query: Any, status: int, says: str, chat: Any, channel: Any, listen: Any
) -> None:
    channel("secret:{name}", history=10)

    answered, text = await listen(*topics, **query).refused()

    assert answered == status
    assert says in text
    assert len(rooms_of(buses["default"])) == 0


async def test_a_topic_twice_is_one(chat: Any, listen: Any) -> None:
    source = await listen(LOBBY, LOBBY).joined()
    await say(chat, 1, 2)

    assert await source.take(2) == [1, 2]


async def test_a_rule_is_given_the_user_and_the_parameters(channel: Any, listen: Any) -> None:
    asked = []

    async def rule(user: Any, room: int) -> bool:
        asked.append((user.is_authenticated, room))
        return room == 7

    channel("room:{room}", parameters={"room": int}, can_join=rule)

    await listen("room:7").joined()
    assert (await listen("room:8").refused())[0] == 403
    assert asked == [(False, 7), (False, 8)]


async def test_only_get_is_answered(chat: Any, listen: Any) -> None:
    assert (await listen(LOBBY, method="POST").refused())[0] == 405


async def test_under_wsgi_it_says_what_is_missing(chat: Any) -> None:
    answer = await live_events(RequestFactory().get("/bus/events/", {"topic": LOBBY}))

    assert answer.status_code == 501
    assert b"ASGI" in answer.content


async def test_who_may_no_longer_stay_is_told_and_let_out(
    channel: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarding, "TICK_S", 0.02)
    allowed = {"a", "b"}

    async def rule(user: Any, room: str) -> bool:
        return room in allowed

    channel("team:{room}", can_join=rule)
    source = listen("team:a", "team:b")
    await source.take(2)
    await guarded()

    allowed.discard("a")
    await sync_to_async(revoke)()
    assert await source.next() == ("left", {"topic": "team:a", "why": "forbidden"})
    assert (members("team:a"), members("team:b")) == (0, 1)

    allowed.discard("b")
    await sync_to_async(revoke)()
    assert await source.next() == ("left", {"topic": "team:b", "why": "forbidden"})
    await source.ended()
    assert members("team:b") == 0


async def guarded() -> None:
    """Wait until this process hears what the others revoke."""
    guard = guard_of(buses["default"])
    await eventually(lambda: guard._attachment is not None)


@pytest.fixture
def session(settings: Any, tmp_path: Any, transactional_db: None) -> Any:
    """The session of somebody who is logged in."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.file"
    settings.SESSION_FILE_PATH = str(tmp_path)
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    settings.LOGIN_URL = "/login/"
    user = get_user_model().objects.create(username="ada")
    made = SessionStore()
    made[SESSION_KEY] = str(user.pk)
    made[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    made[HASH_SESSION_KEY] = user.get_session_auth_hash()
    made.save()
    return made


def cookie(session: Any) -> dict[str, str]:
    return {"Cookie": f"{django_settings.SESSION_COOKIE_NAME}={session.session_key}"}


async def test_the_session_says_who_it_is(session: Any, channel: Any, listen: Any) -> None:
    channel("user:{id}", can_join=owner)
    channel("news:{about}", can_join=anyone)

    await listen(f"user:{session[SESSION_KEY]}", headers=cookie(session)).joined()
    assert (await listen(f"user:{session[SESSION_KEY]}").refused())[0] == 403
    assert (await listen("user:999", headers=cookie(session)).refused())[0] == 403
    # A middleware that sends everybody to the login page does not know who may join what.
    await listen("news:a").joined()


async def test_logout_ends_it_at_once(session: Any, channel: Any, listen: Any) -> None:
    channel("team:{room}", can_join=signed_in)
    channel("news:{about}", can_join=anyone)
    mine = await listen("team:a", headers=cookie(session)).joined()
    others = await listen("news:a").joined()
    await guarded()
    request = HttpRequest()
    request.session, request.user = session, await get_user_model().objects.aget()

    await sync_to_async(logout)(request)

    assert await mine.next() == ("left", {"topic": "team:a", "why": "logged_out"})
    await mine.ended()
    assert (members("team:a"), members("news:a")) == (0, 1)
    assert not others.task.done()


async def test_a_password_that_changes_ends_it_at_once(session: Any, channel: Any, listen: Any) -> None:
    channel("team:{room}", can_join=signed_in)
    mine = await listen("team:a", headers=cookie(session)).joined()
    await guarded()

    def change() -> None:
        user = get_user_model().objects.get()
        user.set_password("another")
        user.save()

    await sync_to_async(change)()

    assert await mine.next() == ("left", {"topic": "team:a", "why": "logged_out"})


async def test_a_stream_keeps_no_database_connection(
    session: Any, channel: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given connections that stay, as CONN_MAX_AGE = None has it
    monkeypatch.setitem(connections["default"].settings_dict, "CONN_MAX_AGE", None)
    made: list[Any] = []
    open_ = BaseDatabaseWrapper.connect
    monkeypatch.setattr(BaseDatabaseWrapper, "connect", lambda self: made.append(self) or open_(self))
    channel("team:{room}", can_join=signed_in)

    await listen("team:a", headers=cookie(session)).joined()

    assert made
    assert all(each.connection is None for each in made)
