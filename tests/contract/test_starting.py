"""Where a group begins, under which name its consumers run, and how they end."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest

from django_redis_bus.core.exceptions import ConfigurationError, ConsumerNameTaken
from django_redis_bus.transport import group as group_module
from tests.contract.consuming import Contract, wait_for


def collecting(contract: Contract, **binding: Any) -> tuple[Any, list[Any]]:
    """Declare the stream with a handler in group "g" that notes the data."""
    stream = contract.stream()
    seen: list[Any] = []

    @stream.handler(group="g", **binding)
    def handle(event: Any) -> None:
        seen.append(event.data)

    return stream, seen


# --- where


def test_a_new_group_gets_what_was_published_before_it(contract: Contract) -> None:
    stream, seen = collecting(contract)
    contract.publish(stream, 1, 2, 3)

    contract.burst()

    assert seen == [1, 2, 3]
    assert contract.settled()


def test_a_new_group_told_to_begin_at_new_ones_gets_only_those(contract: Contract) -> None:
    stream, seen = collecting(contract)
    contract.publish(stream, 1, 2)

    contract.burst(start="new")
    contract.publish(stream, 3)
    contract.burst(start="new")

    assert seen == [3]


def test_a_new_group_begins_after_an_id(contract: Contract) -> None:
    stream, seen = collecting(contract)
    ids = contract.publish(stream, 1, 2, 3)

    contract.burst(start=ids[0])

    assert seen == [2, 3]


def test_a_new_group_begins_at_a_time_that_is_included(contract: Contract) -> None:
    stream, seen = collecting(contract)
    contract.publish(stream, 1)
    time.sleep(0.005)
    [entry_id] = contract.publish(stream, 2)
    contract.publish(stream, 3)
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(entry_id.partition("-")[0]))

    contract.burst(start=moment.isoformat())

    assert seen == [2, 3]


def test_a_group_that_exists_goes_on_where_it_was(contract: Contract) -> None:
    stream, seen = collecting(contract)
    contract.publish(stream, 1)
    contract.burst()
    contract.publish(stream, 2)

    contract.burst(start="0")
    contract.burst(start="new")

    assert seen == [1, 2]


@pytest.mark.parametrize("start", ["", "yesterday", "2026-11-22T08:00:00", "1-", "-1", "$", ">"])
def test_a_start_that_is_none_is_refused(contract: Contract, start: str) -> None:
    collecting(contract)

    with pytest.raises(ConfigurationError, match="--from"):
        contract.burst(start=start)


def test_each_group_gets_every_event(contract: Contract) -> None:
    stream = contract.stream()
    seen: dict[str, list[Any]] = {"one": [], "two": []}

    @stream.handler(group="one")
    def one(event: Any) -> None:
        seen["one"].append(event.data)

    @stream.handler(group="two")
    def two(event: Any) -> None:
        seen["two"].append(event.data)

    contract.publish(stream, *range(10))
    contract.burst()

    assert seen == {"one": list(range(10)), "two": list(range(10))}


def test_types_that_no_handler_of_the_group_wants_are_acked(contract: Contract) -> None:
    stream, seen = collecting(contract, types=["wanted"])
    contract.publish(stream, 1, type="wanted")
    contract.publish(stream, 2, type="other")
    contract.raw({"free": "text"})

    contract.burst()

    assert seen == [1]
    assert contract.settled()
    assert contract.dead() == []


# --- names


def test_names_are_stable_and_two_consumers_do_not_share_one(contract: Contract) -> None:
    collecting(contract)
    first, second = contract.start(), contract.start()
    names = [*first.names, *second.names]
    first.stop()

    again = contract.start()

    assert len(set(names)) == 2
    assert again.names == first.names


def test_a_name_that_a_live_consumer_has_is_refused(contract: Contract) -> None:
    collecting(contract)
    contract.start(consumer="me")

    with pytest.raises(ConsumerNameTaken, match="'me' is alive"):
        contract.burst(consumer="me")

    refused = contract.start(consumer="me")
    assert refused.end() == 1


def test_a_name_that_was_given_back_is_free(contract: Contract) -> None:
    collecting(contract)
    contract.start(consumer="me").stop()

    assert contract.start(consumer="me").names == ["me"]


def test_a_consumer_whose_name_was_taken_over_goes_on_under_another(
    contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_redis_bus.runtime.keeping.BEAT_S", 0.2)
    stream, seen = collecting(contract)
    running = contract.start()
    [name] = running.names
    record = contract.record(name)
    assert record is not None

    # When another has its name, because it was frozen for longer than its heartbeat counts
    contract.client.hset(contract.keys().consumers, name, json.dumps(record | {"token": "x", "beat": 9e15}))
    wait_for(lambda: running.names != [name])
    contract.publish(stream, *range(20))

    wait_for(lambda: len(seen) == 20)
    assert contract.record(name) != record


# --- the end


def test_max_events_ends_each_group_after_so_many(contract: Contract) -> None:
    stream, seen = collecting(contract)
    contract.publish(stream, *range(250))

    running = contract.start(max_events=120, batch=50)

    assert running.end() == 0
    assert seen == list(range(120))
    assert contract.pending() == {}
    contract.burst()
    assert seen == list(range(250))


def test_a_burst_ends_when_nothing_is_left_to_do_now(contract: Contract) -> None:
    stream, seen = collecting(contract)
    contract.publish(stream, *range(350))

    worker = contract.burst(batch=100)

    assert len(seen) == 350
    assert worker.loops[0].settling.counts.handled == 350


@pytest.mark.parametrize("options", [{}, {"threads": 4}])
def test_a_stop_lets_what_runs_finish_and_gives_the_rest_back_at_once(
    contract: Contract, options: dict[str, int]
) -> None:
    stream = contract.stream()
    running_now, go_on = Flag(), Flag()
    seen: list[int] = []

    @stream.handler(group="g")
    def handle(event: Any) -> None:
        running_now.set()
        assert go_on.wait(10)
        seen.append(event.data)

    ids = contract.publish(stream, *range(50))
    consumer = contract.start(**options)
    assert running_now.wait(10)

    consumer.ask()
    Thread(target=lambda: (time.sleep(0.3), go_on.set()), daemon=True).start()
    assert consumer.end() == 0

    # Then what ran is acked, and a peer need not wait for any lease
    pending = contract.pending()
    assert len(seen) + len(pending) <= 50
    assert not {ids[n] for n in seen} & set(pending)
    silent = contract.client.xpending_range(contract.key, "g", "-", "+", 100)
    assert all(p["time_since_delivered"] >= 86_400_000 and p["times_delivered"] == 1 for p in silent)
    assert contract.consumers() in (set(), set(consumer.names))
    assert contract.client.hgetall(contract.keys().consumers) == {}
    contract.burst()
    assert sorted(seen) == list(range(50))


# --- consumers that are no more


def test_consumers_idle_for_long_are_removed_but_never_with_pending(
    contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_module, "IDLE_CONSUMER_MS", 0)
    monkeypatch.setattr("django_redis_bus.runtime.timers.TIDY_S", 0.1)
    stream, _ = collecting(contract)
    [waiting] = contract.publish(stream, 1)
    contract.client.xgroup_create(contract.key, "g", "0")
    contract.client.xreadgroup("g", "owing", {contract.key: ">"})
    contract.client.zadd(contract.keys().retry, {waiting: 9e15})  # its retry is far away
    contract.client.xgroup_createconsumer(contract.key, "g", "idle")

    running = contract.start()

    wait_for(lambda: "idle" not in contract.consumers())
    assert contract.pending() == {waiting: "owing"}
    assert "owing" in contract.consumers()
    running.stop()


def test_a_burst_also_does_what_it_gave_back_because_it_took_long(contract: Contract) -> None:
    stream = contract.stream()
    seen: list[int] = []

    @stream.handler(group="g")
    def handle(event: Any) -> None:
        time.sleep(0.3)
        seen.append(event.data)

    contract.publish(stream, *range(8))

    contract.burst(lease_s=1.0)

    assert sorted(seen) == list(range(8))
    assert contract.settled()


@pytest.mark.parametrize("idle_ms", [3_600_000, 86_400_000])
def test_a_burst_also_does_what_others_left_behind(contract: Contract, idle_ms: int) -> None:
    stream, seen = collecting(contract)
    contract.publish(stream, *range(120))
    contract.taken_by_a_dead_consumer(120, silent_ms=idle_ms)

    contract.burst()

    assert seen == list(range(120))
    assert contract.settled()
