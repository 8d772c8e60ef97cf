"""Replay: a group gets again what it has had, and nobody else does."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from django_redis_bus import Event, Stream, buses
from django_redis_bus.core.exceptions import ConfigurationError
from django_redis_bus.operations import pausing, replaying
from django_redis_bus.operations.asking import Asking
from django_redis_bus.transport.scripts import script
from tests.contract.consuming import FAST, TOPIC, Contract, wait_for


def visit() -> Asking:
    return Asking(buses["default"], 10.0)


@pytest.fixture
def seen() -> dict[str, Counter[int]]:
    return {"g": Counter(), "other": Counter()}


@pytest.fixture
def stream(contract: Contract, seen: dict[str, Counter[int]]) -> Stream:
    """A stream of twenty events that two groups have handled."""
    stream = contract.stream()

    @stream.handler(group="g", retry=FAST)
    def one(event: Event[int]) -> None:
        assert event.attempt == 1
        seen["g"][event.data] += 1

    @stream.handler(group="other")
    def two(event: Event[int]) -> None:
        seen["other"][event.data] += 1

    contract.publish(stream, *range(20))
    contract.burst()
    return stream


def over(group: str = "g") -> bool:
    found = replaying.replay(visit(), TOPIC, group)
    return found is not None and found.is_over


def test_one_group_gets_everything_again(contract: Contract, stream: Stream, seen: dict[str, Counter[int]]) -> None:
    plan = replaying.plan(visit(), TOPIC, "g", "all")
    assert (plan.count.number, plan.count.at_least) == (20, False)
    assert seen["g"].total() == 20

    began = replaying.start(visit(), TOPIC, plan, by="ada")
    contract.start()
    wait_for(over)
    wait_for(contract.settled)

    assert (began.done, began.by, began.is_over) == (0, "ada", False)
    assert set(seen["g"].values()) == {2}
    assert set(seen["other"].values()) == {1}
    found = replaying.replay(visit(), TOPIC, "g")
    assert found is not None
    assert (found.done, found.passed, found.total.number) == (20, 0, 20)


def test_it_begins_at_an_id_or_a_time(contract: Contract, stream: Stream, seen: dict[str, Counter[int]]) -> None:
    time.sleep(0.01)
    [later] = contract.publish(stream, 100)
    contract.burst()
    ms = int(later.partition("-")[0])
    moment = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(ms / 1000))}.{ms % 1000:03}Z"

    for since in (later, moment, later.partition("-")[0]):
        assert replaying.plan(visit(), TOPIC, "g", since).count.number == 1
    replaying.start(visit(), TOPIC, replaying.plan(visit(), TOPIC, "g", later), by="ada")
    contract.start()
    wait_for(lambda: seen["g"][100] == 2)

    assert seen["g"].total() == 22


def test_it_is_no_quicker_than_it_may_be(contract: Contract, stream: Stream, seen: dict[str, Counter[int]]) -> None:
    replaying.start(visit(), TOPIC, replaying.plan(visit(), TOPIC, "g", "all"), per_s=0.001, by="ada")
    contract.start()
    time.sleep(1.2)

    found = replaying.replay(visit(), TOPIC, "g")
    assert found is not None
    assert (found.done, found.per_s, found.is_over) == (0, 0.001, False)
    assert seen["g"].total() == 20


def test_of_two_who_begin_one_does_and_it_can_be_cancelled(contract: Contract, stream: Stream) -> None:
    plan = replaying.plan(visit(), TOPIC, "g", "all")
    replaying.start(visit(), TOPIC, plan, by="ada")

    with pytest.raises(ConfigurationError, match="a replay is under way"):
        replaying.start(visit(), TOPIC, plan, by="grace")
    assert replaying.cancel(visit(), TOPIC, "g")
    assert not replaying.cancel(visit(), TOPIC, "g")
    assert replaying.replay(visit(), TOPIC, "g") is None


def test_two_consumers_share_it(contract: Contract, stream: Stream, seen: dict[str, Counter[int]]) -> None:
    contract.publish(stream, *range(20, 3_000))
    contract.burst()
    replaying.start(visit(), TOPIC, replaying.plan(visit(), TOPIC, "g", "all"), by="ada")

    contract.start(groups=("g",))
    contract.start(groups=("g",))
    wait_for(over)
    wait_for(contract.settled)

    assert set(seen["g"].values()) == {2}
    assert len(seen["g"]) == 3_000


def test_what_is_pending_already_is_passed_over(contract: Contract, stream: Stream) -> None:
    ids = [entry_id for entry_id, _ in contract.client.xrange(contract.key, count=2)]
    contract.client.xclaim(contract.key, "g", "somebody", 0, ids, force=True, justid=True)
    contract.client.zadd(contract.keys().retry, {ids[0]: 9e15})
    replaying.start(visit(), TOPIC, replaying.plan(visit(), TOPIC, "g", "all"), by="ada")

    contract.start(groups=("g",))
    wait_for(over)

    found = replaying.replay(visit(), TOPIC, "g")
    assert found is not None
    assert (found.done, found.passed) == (18, 2)
    assert contract.client.zscore(contract.keys().retry, ids[0]) == 9e15


def test_later_events_are_none_of_its_business(
    contract: Contract, stream: Stream, seen: dict[str, Counter[int]]
) -> None:
    plan = replaying.plan(visit(), TOPIC, "g", "all")
    contract.publish(stream, 500)
    replaying.start(visit(), TOPIC, plan, by="ada")

    contract.start()
    wait_for(over)
    wait_for(contract.settled)

    assert seen["g"][500] == 1


@pytest.mark.parametrize(
    ("group", "since", "said"),
    [
        ("g", "new", "of what has been read"),
        ("g", "yesterday", "neither all, an entry id"),
        ("nobody", "all", "has no group 'nobody'"),
    ],
)
def test_what_cannot_be_is_told(contract: Contract, stream: Stream, group: str, since: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        replaying.plan(visit(), TOPIC, group, since)


def test_a_stream_that_is_not_there_has_nothing_to_replay(contract: Contract) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        replaying.plan(visit(), "events:nowhere", "g", "all")


def test_its_rate_holds_after_a_time_without_consumers(
    contract: Contract, stream: Stream, seen: dict[str, Counter[int]]
) -> None:
    # Given a replay that began a minute ago, and nobody was there
    replaying.start(visit(), TOPIC, replaying.plan(visit(), TOPIC, "g", "all"), per_s=2, by="ada")
    began = int(contract.client.hget(contract.keys().replay, "started") or 0)
    contract.client.hset(contract.keys().replay, "started", began - 60_000)

    # When a consumer comes
    contract.start(groups=("g",))
    wait_for(lambda: seen["g"].total() > 20)

    # Then what was missed does not come all at once
    found = replaying.replay(visit(), TOPIC, "g")
    assert found is not None
    assert found.done <= 6


def test_a_paused_group_is_handed_nothing(contract: Contract, stream: Stream) -> None:
    pausing.pause(visit(), TOPIC, "g", by="ada")
    replaying.start(visit(), TOPIC, replaying.plan(visit(), TOPIC, "g", "all"), by="ada")
    contract.start(groups=("g",))
    time.sleep(1.2)

    assert contract.pending() == {}
    pausing.resume(visit(), TOPIC, "g")
    wait_for(over)


def test_large_entries_are_looked_at_few_at_a_time(contract: Contract, stream: Stream) -> None:
    # Given entries of a quarter of a megabyte
    contract.client.xgroup_setid(contract.key, "g", "$")
    for _ in range(60):
        contract.raw({"data": "x" * 250_000})
    contract.client.xgroup_setid(contract.key, "g", "$")
    replaying.start(visit(), TOPIC, replaying.plan(visit(), TOPIC, "g", "all"), by="ada")
    keys = contract.keys()

    # When a consumer carries it on once
    contract.client.eval(
        script("orders").text.decode(), 5, keys.stream, keys.paused, keys.replay, keys.retry, keys.failures, "g", "c"
    )

    found = replaying.replay(visit(), TOPIC, "g")
    assert found is not None
    assert 20 < found.done < 60
