"""Pending entries: what operators do to them, and what they must not touch."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import redis

from django_redis_bus.bus import buses
from django_redis_bus.core.exceptions import BusError, ConfigurationError, GroupMissing
from django_redis_bus.operations import acting, pending
from django_redis_bus.operations.pending import Chosen, Match
from django_redis_bus.operations.values import Acted
from django_redis_bus.transport.group import RedisGroupLink
from tests.operations.scene import ALIVE, DEAD, Scene

RELEASED_MS = 315_360_000_000
Do = Callable[..., Acted]


def retry(scene: Scene, chosen: Chosen, **more: Any) -> Acted:
    return pending.retry(scene.asking(), scene.topic, scene.group, chosen, **more)


def claim(scene: Scene, chosen: Chosen, *, to: str = ALIVE, **more: Any) -> Acted:
    with suppress(redis.ResponseError):
        scene.client.xgroup_createconsumer(scene.key, scene.group, ALIVE)
    return pending.claim(scene.asking(), scene.topic, scene.group, chosen, to=to, **more)


def ack(scene: Scene, chosen: Chosen, **more: Any) -> Acted:
    return pending.ack(scene.asking(), scene.topic, scene.group, chosen, **more)


def bury(scene: Scene, chosen: Chosen, *, by: str = "ann", why: str = "", **more: Any) -> Acted:
    return pending.bury(scene.asking(), scene.topic, scene.group, chosen, by=by, why=why, **more)


VERBS = pytest.mark.parametrize("verb", [retry, claim, ack, bury])


# --- all verbs


@VERBS
def test_what_runs_is_left_alone(scene: Scene, verb: Do) -> None:
    ids = scene.running(2)
    before = scene.pending()

    assert verb(scene, ids) == Acted(left_alone={"running": 2})
    assert verb(scene, Match()) == Acted(left_alone={"running": 2})

    assert scene.pending() == before
    assert [scene.due_in_ms(entry_id) for entry_id in ids] == [None, None]
    assert scene.letters() == {}


@VERBS
def test_what_is_not_pending_is_gone(scene: Scene, verb: Do) -> None:
    scene.running()
    [settled] = scene.read(consumer=ALIVE)
    scene.client.xack(scene.key, scene.group, settled)

    assert verb(scene, [settled, "1-1"]) == Acted(left_alone={"gone": 2})
    assert scene.note(settled) is None


@VERBS
def test_what_is_no_id_is_told(scene: Scene, verb: Do) -> None:
    scene.waiting()
    for wrong in ("abc", "5", "1-1\n", "99999999999999999999-0", "-"):
        with pytest.raises(ConfigurationError, match="no entry id"):
            verb(scene, [wrong])


@VERBS
def test_there_is_no_such_group(scene: Scene, verb: Do) -> None:
    scene.add()

    with pytest.raises(GroupMissing):
        verb(scene, ["1-1"])


@VERBS
def test_what_was_looked_for_is_looked_for_again_in_the_act(scene: Scene, verb: Do, monkeypatch: Any) -> None:
    # Given entries that match when they are looked for, and that somebody changes before they are acted on
    waiting, silent = scene.waiting(1), scene.silent(1)
    look = pending.look

    def meddled(*args: Any, **options: Any) -> Any:
        found = look(*args, **options)
        scene.client.zrem(scene.keys.retry, *waiting)
        scene.client.zadd(scene.keys.retry, {silent[0]: 1})
        scene.client.xclaim(scene.key, scene.group, DEAD, 0, waiting, idle=60_000, justid=True)
        return found

    monkeypatch.setattr(pending, "look", meddled)

    assert verb(scene, Match(state="waiting")) == Acted(left_alone={"changed": 1})
    assert verb(scene, Match(consumer=ALIVE)) == Acted()
    assert scene.letters() == {}


@VERBS
def test_all_that_match_in_one_go_as_many_as_there_is_room_for(
    scene: Scene, verb: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acting, "AT_ONCE", 20)
    monkeypatch.setattr(pending, "PAGE", 10)
    monkeypatch.setattr(acting, "PAGE", 10)
    ids = scene.waiting(45, error="Timeout: x")
    scene.waiting(3)
    match = Match(error="timeout")

    first = verb(scene, match)
    second = verb(scene, match, after=first.following)
    third = verb(scene, match, after=second.following)

    assert [first.done, second.done, third.done] == [20, 20, 5]
    assert [first.more, second.more, third.more] == [True, True, False]
    some = verb(scene, ids)
    assert (some.done + sum(some.left_alone.values()), some.more) == (20, True)


@VERBS
def test_nothing_above_the_bound_is_touched(scene: Scene, verb: Do) -> None:
    first, second = scene.waiting(2)
    before = scene.due_in_ms(second)

    assert verb(scene, Match(until=first)).done == 1
    assert before is not None
    assert (scene.due_in_ms(second) or 0) > before - 60_000


@VERBS
def test_redis_that_goes_away_in_between(scene: Scene, verb: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a Redis that refuses from the second page on
    monkeypatch.setattr(pending, "PAGE", 10)
    scene.waiting(25)
    look = pending.look

    def failing(*args: Any, **options: Any) -> Any:
        if options["after"]:
            raise BusError("away")
        return look(*args, **options)

    monkeypatch.setattr(pending, "look", failing)

    # Then what was done is told, and that there is more
    acted = verb(scene, Match())
    assert (acted.done, acted.more) == (10, True)
    with pytest.raises(BusError, match="away"):
        verb(scene, Match(), after=acted.following)


# --- each of them


def test_retry_now(scene: Scene) -> None:
    [waiting] = scene.waiting()
    [held] = scene.waiting(held=True)
    notes = [scene.note(waiting), scene.note(held)]

    assert retry(scene, [waiting, held]) == Acted(done=2)

    assert [entry_id for entry_id, _ in taken(scene)] == [waiting, held]
    assert [scene.note(waiting), scene.note(held)] == notes


@pytest.mark.parametrize(
    ("note", "idle_ms", "attempt", "noted"),
    [
        # Never failed: its consumer died in the first run, perhaps over a neighbour.
        (None, 60_000, 1, {"expired": 1, "crashes": 0, "started": False}),
        # Released by a consumer that stopped: nothing is held against it.
        (None, RELEASED_MS + 1000, 1, None),
        # A suspect whose run alone ended with the process: that is one more crash.
        ({"expired": 2, "started": True, "crashes": 1}, 60_000, 2, {"expired": 3, "crashes": 2, "started": False}),
    ],
)
def test_retry_of_what_is_silent_is_counted_as_a_claim_of_it_would_be(
    scene: Scene, note: dict[str, Any] | None, idle_ms: int, attempt: int, noted: dict[str, Any] | None
) -> None:
    [entry_id] = scene.silent(idle_ms=idle_ms)
    if note:
        scene.client.hset(scene.keys.failures, entry_id, json.dumps(note))

    assert retry(scene, [entry_id]) == Acted(done=1)

    assert scene.note(entry_id) == noted
    assert taken(scene) == [(entry_id, attempt)]


def taken(scene: Scene) -> list[tuple[str, int]]:
    """Let a consumer take what is due; return ids and attempts."""
    link = RedisGroupLink(buses["default"].clients, scene.keys, name="taker")
    link.open("0")
    link.join()
    try:
        return [(each.entry_id.decode(), each.attempt) for each in link.claim_due(10, True).deliveries]
    finally:
        link.leave()
        link.close()


def test_what_is_retried_is_taken_once(scene: Scene) -> None:
    ids = scene.waiting(2) + scene.silent(1)

    retry(scene, Match())

    assert sorted(taken(scene)) == [(ids[0], 2), (ids[1], 2), (ids[2], 1)]
    assert taken(scene) == []


@pytest.mark.parametrize("verb", [retry, claim])
def test_what_is_silent_and_has_no_payload_any_more_is_told(scene: Scene, verb: Do) -> None:
    [entry_id] = scene.silent()
    scene.trimmed(entry_id)

    assert verb(scene, [entry_id]) == Acted(left_alone={"trimmed": 1})

    assert scene.pending() == {}
    assert scene.due_in_ms(entry_id) is None


def test_claim(scene: Scene) -> None:
    [waiting] = scene.waiting()
    [silent] = scene.silent(idle_ms=100)
    due = scene.client.zscore(scene.keys.retry, waiting)
    scene.beats("web-3")
    scene.client.xgroup_createconsumer(scene.key, scene.group, "web-3")

    assert claim(scene, Match(), to="web-3") == Acted(done=2)

    assert scene.pending() == {waiting: ("web-3", 1), silent: ("web-3", 1)}
    assert scene.client.zscore(scene.keys.retry, waiting) == due
    # And nothing seems to run that nobody runs
    found = pending.listing(scene.asking(), scene.topic, scene.group, Match(), payloads=True)
    assert [entry.state for entry in found.items] == ["waiting", "silent"]


def test_claim_to_nobody(scene: Scene) -> None:
    scene.waiting()

    with pytest.raises(ConfigurationError, match=r"no consumer 'web-11'\. Did you mean 'web-1'\?"):
        claim(scene, Match(), to="web-11")


def test_ack_leaves_nothing_behind_and_the_entry_in_the_stream(scene: Scene) -> None:
    ids = scene.waiting(1) + scene.silent(1)
    scene.trimmed(ids[1])

    assert ack(scene, ids) == Acted(done=2)

    assert scene.pending() == {}
    assert [scene.note(ids[0]), scene.due_in_ms(ids[0])] == [None, None]
    assert ids[0] in scene.entries()


def test_bury(scene: Scene) -> None:
    [waiting] = scene.waiting(error="ValueError: no")
    scene.silent()
    entries = scene.entries()
    note = scene.note(waiting)
    assert note is not None

    assert bury(scene, Match(), why="hope\x1b[less") == Acted(done=2)

    first, second = scene.letters().values()
    said = {name.decode(): value.decode() for name, value in first.items() if name.startswith(b"dead_")}
    assert int(said.pop("dead_last")) <= scene.now_ms()
    assert said == {
        "dead_group": "billing", "dead_entry": waiting, "dead_reason": "operator", "dead_attempts": "1",
        "dead_error": "by ann: hope�[less. Before: ValueError: no", "dead_traceback": "", "dead_consumer": ALIVE,
        "dead_first": str(note["first"]),
    }  # fmt: skip
    assert {name: value for name, value in first.items() if not name.startswith(b"dead_")} == entries[waiting]
    assert second[b"dead_error"].decode() == "by ann: hope�[less"
    assert (scene.pending(), scene.note(waiting), scene.due_in_ms(waiting)) == ({}, None, None)


def test_bury_has_a_bound_for_what_is_said(scene: Scene) -> None:
    scene.waiting(error="é" * 1000)

    bury(scene, Match(), by="x" * 500)

    [letter] = scene.letters().values()
    assert 990 < len(letter[b"dead_error"]) <= 1000
    assert letter[b"dead_error"].decode().startswith("by xxx")


def test_bury_of_what_has_no_payload_any_more(scene: Scene) -> None:
    [entry_id] = scene.waiting()
    scene.trimmed(entry_id)

    assert bury(scene, [entry_id]) == Acted(left_alone={"trimmed": 1})
    assert list(scene.pending()) == [entry_id]
    assert scene.letters() == {}


def test_bury_of_large_entries_in_several_calls(scene: Scene) -> None:
    ids = scene.waiting(7, data=json.dumps("x" * 1_500_000))

    assert bury(scene, ids) == Acted(done=7)
    assert len(scene.letters()) == 7
