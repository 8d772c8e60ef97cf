"""Live against a connection whose every answer the test gives: what no real server does at the wanted moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from django_redis_bus.core.gaps import Gap
from django_redis_bus.runtime.listening import connection
from tests.runtime.listening.stages import Stage


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr(connection, "FIRST_WAIT_S", 0.01)
    made = Stage()
    yield made
    await made.live.close()
    assert all(link.is_closed for link in made.links)


def message(channel: bytes, data: bytes) -> list[bytes]:
    return [b"message", channel, data]


def pmessage(pattern: bytes, channel: bytes, data: bytes) -> list[bytes]:
    return [b"pmessage", pattern, channel, data]


async def test_the_gap_comes_before_what_is_heard_while_names_are_not_confirmed(stage: Stage) -> None:
    # Given names on a connection that was lost
    await stage.attach("a", "b")
    stage.links[0].cut()
    link = await stage.link(2)

    # When the first is confirmed, and heard, before the second
    first = link.confirm(1)
    await link.say(*first, message(b"a", b"1"))
    assert stage.heard == []
    await link.say(*link.confirm(), message(b"b", b"2"))

    # Then the gap comes first, when nothing can be lost any more
    gap, *rest = stage.heard
    assert (gap.reason, gap.topics) == ("lost", ("a", "b"))
    assert rest == ["a=1", "b=2"]


async def test_a_second_way_counts_only_from_its_confirmation(stage: Stage) -> None:
    # Given a pattern that is there, and a name that is on its way
    await stage.attach(patterns=["a*"])
    link = stage.links[0]
    attaching = asyncio.create_task(
        stage.live.attach(channels=["ab"], patterns=["a*"], on_message=stage.message, on_gap=stage.heard.append)
    )
    await stage.link(1)

    # When a message comes before Redis knows of the name, and one after
    await link.say(pmessage(b"a*", b"ab", b"1"))
    await link.say(*link.confirm(), message(b"ab", b"2"), pmessage(b"a*", b"ab", b"2"))
    await attaching

    # Then both listeners have each message once
    assert sorted(stage.heard) == ["ab=1", "ab=1", "ab=2", "ab=2"]


async def test_what_was_heard_again_before_all_was_confirmed_comes_once(stage: Stage) -> None:
    await stage.attach("ab", patterns=["a*"])
    stage.links[0].cut()
    link = await stage.link(2)

    # When the connection made anew knows the pattern late
    await link.say(*link.confirm(1), message(b"ab", b"1"))
    await link.say(*link.confirm(1), message(b"ab", b"2"), pmessage(b"a*", b"ab", b"2"))

    assert isinstance(stage.heard[0], Gap)
    assert stage.heard[1:] == ["ab=1", "ab=2"]


async def test_one_who_attaches_during_an_outage_has_no_gap(stage: Stage) -> None:
    await stage.attach("a")
    stage.links[0].cut()
    late: list[Any] = []
    attaching = asyncio.create_task(
        stage.live.attach(channels=["late"], on_message=lambda *m: late.append(m), on_gap=late.append)
    )
    link = await stage.link(2)
    await link.say(*link.confirm(), message(b"late", b"1"))
    await attaching

    assert [type(item) for item in stage.heard] == [Gap]
    assert late == [("late", b"1", None)]


async def test_lost_again_before_it_had_healed_is_one_gap(stage: Stage) -> None:
    await stage.attach("a", "b")
    stage.links[0].cut()
    second = await stage.link(2)
    await asyncio.sleep(0.1)
    await second.say(*second.confirm(1), message(b"a", b"1"))
    second.cut()
    third = await stage.link(3)
    await third.say(*third.confirm(), message(b"a", b"2"))

    assert [getattr(item, "reason", item) for item in stage.heard] == ["lost", "a=2"]
    assert stage.heard[0].seconds > 0.1  # from the first loss on


async def test_given_up_and_wanted_again_waits_for_the_new_confirmation(stage: Stage) -> None:
    # Given a name that was given up before the server had confirmed anything of that
    await stage.attach("stays")
    going = await stage.attach("a")
    link = stage.links[0]
    await going.close()
    attaching = asyncio.create_task(
        stage.live.attach(channels=["a"], on_message=stage.message, on_gap=stage.heard.append)
    )
    await asyncio.sleep(0.01)
    assert link.asked == [("unsubscribe", b"a"), ("subscribe", b"a")]

    await link.say(*link.confirm(1))
    assert not attaching.done()
    await link.say(*link.confirm(1))
    await asyncio.wait_for(attaching, 1)


@pytest.mark.parametrize(
    "reply",
    [
        [b"unsubscribe", b"a", 0],
        [b"subscribe", b"other", 2],
        [b"pong", b""],
        [b"subscribe", b"a", 1],
    ],
)
async def test_what_was_not_asked_is_a_loss(stage: Stage, reply: list[Any]) -> None:
    await stage.attach("a")

    await stage.links[0].say(reply)
    link = await stage.link(2)
    await link.say(*link.confirm())

    assert [item.reason for item in stage.heard] == ["differs"]


async def test_an_error_of_our_own_is_logged_and_healed(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.attach("a")
    route: Callable[..., Any] = stage.live.route
    monkeypatch.setattr(stage.live, "route", lambda key: 1 / 0)
    await stage.links[0].say(message(b"a", b"1"))
    monkeypatch.setattr(stage.live, "route", route)

    link = await stage.link(2)
    await link.say(*link.confirm(), message(b"a", b"2"))

    assert [getattr(item, "reason", item) for item in stage.heard] == ["lost", "a=2"]
    assert "Listening to here met an error and begins anew" in caplog.text
    assert "ZeroDivisionError" in caplog.text
