"""What somebody wrote into the side keys by hand: looking goes on, and operators can put it right."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis

from django_redis_bus.core.config import Retention
from django_redis_bus.core.exceptions import ConfigurationError
from django_redis_bus.operations import pausing, pending, replaying, streams, trimming
from django_redis_bus.operations.pausing import Pause
from django_redis_bus.operations.pending import Match
from django_redis_bus.operations.values import Count
from tests.operations.ward import Ward

HUGE = "9" * 5000
NOTES = [
    b"\x00", b"garbage", b"5", b"null", b'{"by":"\xff"}', b"[" * 100_000, b'{"by":[],"at":"x","why":5}',
    b'{"at":1e300}',
]  # fmt: skip


def looked(ward: Ward) -> streams.StreamReport:
    return streams.stream(ward.asking(), ward.topic)


@pytest.mark.parametrize("note", NOTES, ids=range(len(NOTES)))
def test_a_note_of_a_pause_that_says_nothing(ward: Ward, note: bytes) -> None:
    ward.make_group()
    ward.client.hset(ward.keys.paused, ward.group, note)
    ward.client.hset(ward.keys.paused, b"\xff\nx", note)

    assert pausing.pauses(ward.asking(), ward.topic) == (Pause(group="billing"), Pause(group="\ufffd", handler="x"))
    [group] = looked(ward).groups
    assert group.pause == Pause(group="billing")


def test_a_pause_that_was_hardly_ever(ward: Ward) -> None:
    ward.client.hset(ward.keys.paused, ward.group, f'{{"by":"{"x" * 5000}","at":99999999999999999}}')

    [pause] = pausing.pauses(ward.asking(), ward.topic)

    assert (len(pause.by), pause.at_ms) == (200, 0)


@pytest.mark.parametrize("seen", [b"\x00", b"garbage", b"\xff", b"nan", b"-1e999", HUGE])
def test_a_group_of_which_nobody_can_tell_when_it_was_alive_holds_its_stream(ward: Ward, seen: Any) -> None:
    ward.add(3)
    ward.make_group()
    ward.client.hset(ward.keys.groups, ward.group, seen)

    assert trimming.removable(ward.asking(), ward.topic, Retention(count=1)) == Count(0)
    assert looked(ward).groups[0].last_alive_s is None


@pytest.mark.parametrize("score", ["inf", "-inf", "1e308"])
def test_a_retry_that_is_never_due(ward: Ward, score: str) -> None:
    [entry_id] = ward.waiting()
    ward.client.zadd(ward.keys.retry, {entry_id: float(score)})

    [entry] = pending.listing(ward.asking(), ward.topic, ward.group, Match(), payloads=True).items

    assert (entry.state, entry.next_s) == ("waiting", None)


@pytest.mark.parametrize(
    "state",
    [
        {"since": "0-0"},
        {"since": "0-0", "until": "1-1", "done": "x", "passed": "-1", "total": "\u00b2"},
        {"since": b"\xff", "until": b"\xff", "by": b"\xff"},
        {"since": "", "per_s": "nan", "started": HUGE},
        {"since": "abc", "per_s": "inf", "total": HUGE, b"\xff": b"\xff"},
        {"since": "0-0", "per_s": "-1", "started": "9" * 18},
    ],
)
def test_a_replay_that_is_none_can_be_seen_and_cancelled(ward: Ward, state: dict[Any, Any]) -> None:
    ward.read(2)
    ward.client.hset(ward.keys.replay, mapping=state)

    found = replaying.replay(ward.asking(), ward.topic, ward.group)

    assert found is not None
    assert (found.done, found.passed, found.total, found.per_s, found.started_ms) == (0, 0, Count(0), None, 0)
    assert looked(ward).groups[0].replay == found
    assert replaying.cancel(ward.asking(), ward.topic, ward.group)
    assert replaying.replay(ward.asking(), ward.topic, ward.group) is None


def test_what_is_no_replay_does_not_stand_in_the_way_of_one(ward: Ward) -> None:
    ward.read(2)
    ward.client.hset(ward.keys.replay, "x", "y")
    assert replaying.replay(ward.asking(), ward.topic, ward.group) is None

    plan = replaying.plan(ward.asking(), ward.topic, ward.group, "all")

    assert replaying.start(ward.asking(), ward.topic, plan, by="eve").total == Count(2)
    with pytest.raises(ConfigurationError, match="under way"):
        replaying.start(ward.asking(), ward.topic, plan, by="eve")


def test_a_note_of_a_failure_of_megabytes_is_no_note(ward: Ward) -> None:
    small, large = ward.waiting(2)
    ward.client.hset(ward.keys.failures, large, json.dumps({"error": "x" * 1_000_000}))
    before = sent(ward.client)

    page = pending.listing(ward.asking(), ward.topic, ward.group, Match(), payloads=True)

    assert [(entry.entry_id, entry.error) for entry in page.items] == [(small, "ValueError: no"), (large, "")]
    assert sent(ward.client) - before < 100_000


def test_a_replay_of_another_type(ward: Ward) -> None:
    ward.read(1)
    ward.client.set(ward.keys.replay, "x")

    assert looked(ward).groups[0].replay is None


def test_hashes_that_somebody_fills_cost_nothing(ward: Ward) -> None:
    # Given two that no bus would make, and among them what holds
    ward.read(1)
    filled = {f"f{n}": "x" * 100 for n in range(20_000)}
    ward.client.hset(ward.keys.paused, mapping=filled | {ward.group: "{}"})
    ward.client.hset(ward.keys.replay, mapping=filled | {"since": "0-0", "until": "1-1"})
    before = sent(ward.client)

    report = looked(ward)
    replaying.replay(ward.asking(), ward.topic, ward.group)
    pausing.pauses(ward.asking(), ward.topic)

    assert report.groups[0].pause is not None
    assert report.groups[0].replay is not None
    assert sent(ward.client) - before < 700_000


def sent(client: redis.Redis) -> int:
    """Return the bytes that a server has sent so far."""
    return int(client.info("stats")["total_net_output_bytes"])
