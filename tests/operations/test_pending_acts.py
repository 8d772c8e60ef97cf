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
from django_redis_bus.operations.dead import OPERATOR
from django_redis_bus.operations.pending import Chosen, Match
from django_redis_bus.operations.values import Acted
from django_redis_bus.transport.group import RedisGroupLink
from tests.operations.ward import ALIVE, DEAD, Ward

RELEASED_MS = 315_360_000_000
Do = Callable[..., Acted]


def retry(ward: Ward, chosen: Chosen, **more: Any) -> Acted:
    return pending.retry(ward.asking(), ward.topic, ward.group, chosen, **more)


def claim(ward: Ward, chosen: Chosen, *, to: str = "web-9", **more: Any) -> Acted:
    with suppress(redis.ResponseError):
        for name in (ALIVE, "web-9"):
            ward.client.xgroup_createconsumer(ward.key, ward.group, name)
    return pending.claim(ward.asking(), ward.topic, ward.group, chosen, to=to, **more)


def ack(ward: Ward, chosen: Chosen, **more: Any) -> Acted:
    return pending.ack(ward.asking(), ward.topic, ward.group, chosen, **more)


def bury(ward: Ward, chosen: Chosen, *, by: str = "ann", why: str = "", **more: Any) -> Acted:
    return pending.bury(ward.asking(), ward.topic, ward.group, chosen, by=by, why=why, **more)


VERBS = pytest.mark.parametrize("verb", [retry, claim, ack, bury])


# --- all verbs


@VERBS
def test_what_runs_is_left_alone(ward: Ward, verb: Do) -> None:
    ids = ward.running(2)
    before = ward.pending()

    assert verb(ward, ids) == Acted(left_alone={"running": 2})
    assert verb(ward, Match()) == Acted(left_alone={"running": 2})

    assert ward.pending() == before
    assert [ward.due_in_ms(entry_id) for entry_id in ids] == [None, None]
    assert ward.letters() == {}


@VERBS
def test_what_is_not_pending_is_gone(ward: Ward, verb: Do) -> None:
    ward.running()
    [settled] = ward.read(consumer=ALIVE)
    ward.client.xack(ward.key, ward.group, settled)

    assert verb(ward, [settled, "1-1"]) == Acted(left_alone={"gone": 2})
    assert ward.note(settled) is None


@VERBS
def test_what_is_no_id_is_told(ward: Ward, verb: Do) -> None:
    ward.waiting()
    for wrong in ("abc", "5", "1-1\n", "99999999999999999999-0", "-"):
        with pytest.raises(ConfigurationError, match="no entry id"):
            verb(ward, [wrong])


@VERBS
def test_there_is_no_such_group(ward: Ward, verb: Do) -> None:
    ward.add()

    with pytest.raises(GroupMissing):
        verb(ward, ["1-1"])


@VERBS
def test_what_was_looked_for_is_looked_for_again_in_the_act(ward: Ward, verb: Do, monkeypatch: Any) -> None:
    # Given entries that match when they are looked for, and that somebody changes before they are acted on
    waiting, silent = ward.waiting(1), ward.silent(1)
    look = pending.look

    def meddled(*args: Any, **options: Any) -> Any:
        found = look(*args, **options)
        ward.client.zrem(ward.keys.retry, *waiting)
        ward.client.zadd(ward.keys.retry, {silent[0]: 1})
        ward.client.xclaim(ward.key, ward.group, DEAD, 0, waiting, idle=60_000, justid=True)
        return found

    monkeypatch.setattr(pending, "look", meddled)

    assert verb(ward, Match(state="waiting")) == Acted(left_alone={"changed": 1})
    assert verb(ward, Match(consumer=ALIVE)) == Acted()
    assert ward.letters() == {}


@VERBS
def test_all_that_match_in_one_go_as_many_as_there_is_room_for(
    ward: Ward, verb: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acting, "AT_ONCE", 20)
    monkeypatch.setattr(pending, "PAGE", 10)
    monkeypatch.setattr(acting, "PAGE", 10)
    ids = ward.waiting(45, error="Timeout: x")
    ward.waiting(3)
    match = Match(error="timeout")

    first = verb(ward, match)
    second = verb(ward, match, after=first.following)
    third = verb(ward, match, after=second.following)

    assert [first.done, second.done, third.done] == [20, 20, 5]
    assert [first.more, second.more, third.more] == [True, True, False]
    some = verb(ward, ids)
    assert (some.done + sum(some.left_alone.values()), some.more) == (20, True)


@VERBS
def test_nothing_above_the_bound_is_touched(ward: Ward, verb: Do) -> None:
    first, second = ward.waiting(2)
    before = ward.due_in_ms(second)

    assert verb(ward, Match(until=first)).done == 1
    assert before is not None
    assert (ward.due_in_ms(second) or 0) > before - 60_000


@VERBS
def test_redis_that_goes_away_in_between(ward: Ward, verb: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a Redis that refuses from the second page on
    monkeypatch.setattr(pending, "PAGE", 10)
    ward.waiting(25)
    look = pending.look

    def failing(*args: Any, **options: Any) -> Any:
        if options["after"]:
            raise BusError("away")
        return look(*args, **options)

    monkeypatch.setattr(pending, "look", failing)

    # Then what was done is told, and that there is more
    acted = verb(ward, Match())
    assert (acted.done, acted.more) == (10, True)
    with pytest.raises(BusError, match="away"):
        verb(ward, Match(), after=acted.following)


# --- each of them


def test_retry_now(ward: Ward) -> None:
    [waiting] = ward.waiting()
    [held] = ward.waiting(held=True)
    notes = [ward.note(waiting), ward.note(held)]

    assert retry(ward, [waiting, held]) == Acted(done=2)

    assert [ward.note(waiting), ward.note(held)] == notes
    assert [entry_id for entry_id, _ in taken(ward)] == [waiting, held]


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
    ward: Ward, note: dict[str, Any] | None, idle_ms: int, attempt: int, noted: dict[str, Any] | None
) -> None:
    [entry_id] = ward.silent(idle_ms=idle_ms)
    if note:
        ward.client.hset(ward.keys.failures, entry_id, json.dumps(note))

    assert retry(ward, [entry_id]) == Acted(done=1)

    assert ward.note(entry_id) == noted
    assert taken(ward) == [(entry_id, attempt)]


def taken(ward: Ward) -> list[tuple[str, int]]:
    """Let a consumer take what is due; return ids and attempts."""
    link = RedisGroupLink(buses["default"].clients, ward.keys, name="taker")
    link.open("0")
    link.join()
    try:
        return [(each.entry_id.decode(), each.attempt) for each in link.claim_due(10, True).deliveries]
    finally:
        link.leave()
        link.close()


def test_what_is_retried_is_taken_once(ward: Ward) -> None:
    ids = ward.waiting(2) + ward.silent(1)

    retry(ward, Match())

    assert sorted(taken(ward)) == [(ids[0], 2), (ids[1], 2), (ids[2], 1)]
    assert taken(ward) == []


@pytest.mark.parametrize("verb", [retry, claim])
def test_what_is_silent_and_has_no_payload_any_more_is_told(ward: Ward, verb: Do) -> None:
    [entry_id] = ward.silent()
    ward.trimmed(entry_id)

    assert verb(ward, [entry_id]) == Acted(left_alone={"trimmed": 1})

    assert ward.pending() == {}
    assert ward.due_in_ms(entry_id) is None


def test_claim(ward: Ward) -> None:
    [waiting] = ward.waiting()
    [silent] = ward.silent(idle_ms=100)
    due = ward.client.zscore(ward.keys.retry, waiting)
    ward.beats("web-3")
    ward.client.xgroup_createconsumer(ward.key, ward.group, "web-3")

    assert claim(ward, Match(), to="web-3") == Acted(done=2)

    assert ward.pending() == {waiting: ("web-3", 1), silent: ("web-3", 1)}
    assert ward.client.zscore(ward.keys.retry, waiting) == due
    # And nothing seems to run that nobody runs
    found = pending.listing(ward.asking(), ward.topic, ward.group, Match(), payloads=True)
    assert [entry.state for entry in found.items] == ["waiting", "silent"]


def test_claim_of_what_is_theirs_already(ward: Ward) -> None:
    mine, silent = ward.waiting(2), ward.silent(idle_ms=100)
    before = ward.pending()[mine[0]]

    assert claim(ward, Match(), to=ALIVE) == Acted(done=1, left_alone={"theirs already": 2})

    assert ward.pending() == {**dict.fromkeys(mine, before), silent[0]: (ALIVE, 1)}


def test_claim_to_the_owner_that_is_nobody(ward: Ward) -> None:
    [entry_id] = ward.waiting()
    ward.client.xclaim(ward.key, ward.group, OPERATOR, 0, [entry_id], justid=True)

    with pytest.raises(ConfigurationError, match=r"no consumer 'bus-operator'\.") as caught:
        claim(ward, Match(), to=OPERATOR)
    assert "mean" not in str(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        claim(ward, Match(), to="bus-operators")
    assert "'bus-operator'" not in str(caught.value)


def test_claim_to_nobody(ward: Ward) -> None:
    ward.waiting()

    with pytest.raises(ConfigurationError, match=r"no consumer 'web-11'\. Did you mean 'web-1'\?"):
        claim(ward, Match(), to="web-11")


def test_ack_leaves_nothing_behind_and_the_entry_in_the_stream(ward: Ward) -> None:
    ids = ward.waiting(1) + ward.silent(1)
    ward.trimmed(ids[1])

    assert ack(ward, ids) == Acted(done=2)

    assert ward.pending() == {}
    assert [ward.note(ids[0]), ward.due_in_ms(ids[0])] == [None, None]
    assert ids[0] in ward.entries()
