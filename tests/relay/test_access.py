"""Who may join and publish: rules of every kind, and what a rule that fails means."""

from __future__ import annotations

import asyncio
import logging
from threading import Event
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser

from django_redis_bus import access
from django_redis_bus.access import allowed, anyone, owner, signed_in, staff

from .conftest import person

ADA = person(7, "ada", has_perm=lambda name: name == "chat.view_room")
BOSS = person(1, "boss", is_staff=True, has_perm=lambda name: True)
NOBODY = AnonymousUser()


def room_is_lobby(user: Any, room: str) -> bool:
    return room == "lobby"


async def slow_lobby(user: Any, room: str) -> bool:
    return room == "lobby"


def awaitable_lobby(user: Any, room: str) -> Any:
    return slow_lobby(user, room)


class Rule:
    async def __call__(self, user: Any, **parameters: Any) -> bool:
        return bool(user.is_authenticated)


def broken(user: Any, **parameters: Any) -> bool:
    raise RuntimeError("the rule's own\r\nfault")


@pytest.mark.parametrize(
    ("rule", "user", "parameters", "answer"),
    [
        (None, BOSS, {}, False),
        (anyone, NOBODY, {"room": "x"}, True),
        (signed_in, NOBODY, {}, False),
        (signed_in, ADA, {}, True),
        (staff, ADA, {}, False),
        (staff, BOSS, {}, True),
        (owner, ADA, {"id": 7}, True),
        (owner, ADA, {"id": "7"}, True),
        (owner, ADA, {"user.pk": "7"}, True),
        (owner, ADA, {"id": 8}, False),
        (owner, ADA, {"id": 7, "user_id": 8}, False),
        (owner, ADA, {"room": "7"}, False),
        (owner, ADA, {}, False),
        (owner, NOBODY, {"id": "None"}, False),
        ("chat.view_room", ADA, {}, True),
        ("chat.delete_room", ADA, {}, False),
        ("chat.view_room", NOBODY, {}, False),
        (room_is_lobby, ADA, {"room": "lobby"}, True),
        (room_is_lobby, ADA, {"room": "vault"}, False),
        (slow_lobby, NOBODY, {"room": "lobby"}, True),
        (awaitable_lobby, NOBODY, {"room": "lobby"}, True),
        (awaitable_lobby, NOBODY, {"room": "vault"}, False),
        (Rule(), ADA, {}, True),
        ("tests.relay.test_access.room_is_lobby", ADA, {"room": "lobby"}, True),
        ("tests.relay.test_access.room_is_lobby", ADA, {"room": "vault"}, False),
        ("django_redis_bus.access.anyone", NOBODY, {}, True),
    ],
)
@pytest.mark.django_db
async def test_rule(rule: Any, user: Any, parameters: dict[str, Any], answer: bool) -> None:
    assert await allowed(rule, user, parameters) is answer


@pytest.mark.parametrize(
    "rule",
    [
        broken,
        room_is_lobby,  # the channel has no such parameter
        lambda user, **parameters: "yes",
        lambda user, **parameters: 1,
        lambda user, **parameters: None,
        "no.such.function",
        "tests.relay.test_access.ADA",
        SimpleNamespace(),
    ],
)
@pytest.mark.django_db
async def test_a_rule_that_fails_says_no_and_is_logged(rule: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "django_redis_bus.access"):
        assert await allowed(rule, BOSS, {"id": 1}) is False

    [record] = caplog.records
    assert record.getMessage().replace("\n    | ", "").isprintable()


async def hanging(user: Any) -> bool:
    await asyncio.sleep(60)
    return True


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.django_db
async def test_a_rule_that_is_never_done_says_no_in_time(
    kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(access, "RULE_S", 0.2)
    ended = Event()
    begun = monotonic()

    answer = await allowed(hanging if kind == "async" else lambda user: ended.wait(5), BOSS, {})
    took_s = monotonic() - begun
    ended.set()

    assert answer is False
    assert took_s < 2
    [record] = caplog.records
    assert "was not done after 0.2 s, which means no" in record.getMessage()


@pytest.mark.django_db
async def test_a_rule_that_raises_a_timeout_of_its_own_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    async def impatient(user: Any) -> bool:
        raise TimeoutError("the other service")

    assert await allowed(impatient, BOSS, {}) is False
    assert "failed, which means no: TimeoutError" in caplog.text
