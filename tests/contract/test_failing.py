"""Retries, policies, and what a dead letter says."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from django_redis_bus import Reject, Retry
from tests.contract.consuming import FAST, Contract, wait_for


def test_a_failed_event_is_retried_when_due_and_not_before(contract: Contract) -> None:
    stream = contract.stream()
    runs: list[tuple[int, float]] = []

    @stream.handler(group="g", retry=Retry(max_attempts=5, backoff_s=0.8, jitter=0))
    def handle(event: Any) -> None:
        runs.append((event.attempt, time.monotonic()))
        if event.attempt < 2:
            raise ValueError("not yet")

    contract.publish(stream, 1)
    contract.start()

    wait_for(contract.settled)
    assert [attempt for attempt, _ in runs] == [1, 2]
    assert runs[1][1] - runs[0][1] >= 0.8
    assert contract.dead() == []
    assert contract.client.exists(contract.keys().retry, contract.keys().failures) == 0


def test_while_it_waits_it_is_pending_and_others_go_on(contract: Contract) -> None:
    stream = contract.stream()
    seen: list[int] = []

    @stream.handler(group="g", retry=Retry(backoff_s=60))
    def handle(event: Any) -> None:
        if event.data == 0:
            raise ValueError
        seen.append(event.data)

    ids = contract.publish(stream, *range(10))
    worker = contract.burst()

    assert seen == list(range(1, 10))
    assert set(contract.pending()) == {ids[0]}
    assert worker.loops[0].settling.counts.retried == 1
    due = contract.client.zscore(contract.keys().retry, ids[0])
    assert due is not None
    assert 40 < due / 1000 - time.time() <= 60


def test_the_waits_grow_from_attempt_to_attempt(contract: Contract) -> None:
    stream = contract.stream()
    runs: list[float] = []

    @stream.handler(group="g", retry=Retry(max_attempts=4, backoff_s=0.1, factor=3, jitter=0))
    def handle(event: Any) -> None:
        runs.append(time.monotonic())
        raise ValueError

    contract.publish(stream, 1)
    contract.start()

    wait_for(contract.dead)
    assert len(runs) == 4
    assert runs[1] - runs[0] >= 0.1
    assert runs[2] - runs[1] >= 0.3
    assert runs[3] - runs[2] >= 0.9


def test_after_the_last_attempt_it_is_a_dead_letter_that_says_everything(contract: Contract) -> None:
    stream = contract.stream()
    runs: list[int] = []

    @stream.handler(group="g", retry=FAST)
    def handle(event: Any) -> None:
        runs.append(event.attempt)
        raise LookupError("no such\nthing")

    before = int(time.time() * 1000)
    [entry_id] = contract.publish(stream, {"a": 1}, type="it", key="k", subject="s")
    [(_, original)] = contract.client.xrange(contract.key)
    running = contract.start()

    [letter] = wait_for(contract.dead)
    assert runs == [1, 2, 3]
    assert {name: value for name, value in letter.items() if not name.startswith(b"dead_")} == original
    assert letter[b"dead_entry"].decode() == entry_id
    assert letter[b"dead_group"] == b"g"
    assert letter[b"dead_reason"] == b"exhausted"
    assert letter[b"dead_attempts"] == b"3"
    assert letter[b"dead_error"] == "LookupError: no such�thing".encode()
    assert b'raise LookupError("no such' in letter[b"dead_traceback"]
    assert letter[b"dead_consumer"].decode() in running.names
    assert before <= int(letter[b"dead_first"]) <= int(letter[b"dead_last"]) <= time.time() * 1000
    assert contract.pending() == {}


def test_reject_makes_it_a_dead_letter_at_once(contract: Contract) -> None:
    stream = contract.stream()

    @stream.handler(group="g")
    def handle(event: Any) -> None:
        raise Reject("the customer does not exist")

    contract.publish(stream, 1)
    contract.burst()

    [letter] = contract.dead()
    assert (letter[b"dead_reason"], letter[b"dead_attempts"]) == (b"rejected", b"1")
    assert b"the customer does not exist" in letter[b"dead_error"]


def test_retry_raised_by_the_handler_names_its_own_wait_and_counts(contract: Contract) -> None:
    stream = contract.stream()
    runs: list[float] = []

    @stream.handler(group="g", retry=Retry(max_attempts=2, backoff_s=600))
    def handle(event: Any) -> None:
        runs.append(time.monotonic())
        raise Retry(after=0.7)

    contract.publish(stream, 1)
    contract.start()

    wait_for(contract.dead)
    assert len(runs) == 2
    assert runs[1] - runs[0] >= 0.7
    assert contract.reasons() == ["exhausted"]


@pytest.mark.parametrize(
    ("policy", "error", "outcome"),
    [
        (Retry(retry_on=(ConnectionError,), backoff_s=60), ConnectionResetError(), "retried"),
        (Retry(retry_on=(ConnectionError,)), ValueError(), "not_retryable"),
        (Retry(dead_letter_on=(ValueError,)), UnicodeError("x"), "not_retryable"),
        (Retry(retry_on=(OSError,), dead_letter_on=(FileNotFoundError,)), FileNotFoundError(), "not_retryable"),
        (Retry(max_attempts=1), ValueError(), "exhausted"),
        (Retry(retry_on=(OSError,), backoff_s=60), SystemExit(1), "retried"),
        (Retry(max_attempts=1), KeyboardInterrupt(), "exhausted"),
    ],
)
def test_the_policy_decides_by_exception(contract: Contract, policy: Retry, error: BaseException, outcome: str) -> None:
    stream = contract.stream()

    @stream.handler(group="g", retry=policy)
    def handle(event: Any) -> None:
        raise error

    contract.publish(stream, 1)
    contract.start()

    if outcome == "retried":
        wait_for(lambda: contract.client.zcard(contract.keys().retry))
        assert contract.dead() == []
    else:
        wait_for(contract.dead)
        assert contract.reasons() == [outcome]


def test_each_group_fails_alone(contract: Contract) -> None:
    stream = contract.stream()
    seen: list[Any] = []

    @stream.handler(group="bad")
    def bad(event: Any) -> None:
        raise Reject("no")

    @stream.handler(group="good")
    def good(event: Any) -> None:
        seen.append(event.data)

    contract.publish(stream, 1, 2)
    contract.burst()

    assert seen == [1, 2]
    assert [letter[b"dead_group"] for letter in contract.dead()] == [b"bad", b"bad"]


def test_an_attempt_is_counted_before_its_code_runs(contract: Contract) -> None:
    stream = contract.stream()
    noted: list[int] = []

    @stream.handler(group="g", retry=FAST)
    def handle(event: Any) -> None:
        [entry] = contract.client.xpending_range(contract.key, "g", event.entry_id, event.entry_id, 1)
        noted.append(entry["times_delivered"])
        raise ValueError

    contract.publish(stream, 1)
    contract.start()

    wait_for(contract.dead)
    assert noted == [1, 2, 3]


def test_the_traceback_and_the_error_are_capped(contract: Contract) -> None:
    stream = contract.stream()

    @stream.handler(group="g", retry=Retry(max_attempts=1))
    def handle(event: Any) -> None:
        raise ValueError("x" * 1_000_000)

    contract.publish(stream, 1)
    contract.burst()

    [letter] = contract.dead()
    assert len(letter[b"dead_error"]) <= 1_000
    assert len(letter[b"dead_traceback"]) <= 8_000


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize("error", [Unspeakable(), ValueError("\udcff \x00 \x1b[31m"), ValueError(b"\xff"), Exception()])
@pytest.mark.parametrize("policy", [Retry(max_attempts=1), Retry(backoff_s=60)])
def test_an_exception_that_cannot_be_shown_stops_nobody(contract: Contract, error: Exception, policy: Retry) -> None:
    stream = contract.stream()
    seen: list[Any] = []

    @stream.handler(group="g", retry=policy)
    def handle(event: Any) -> None:
        if event.data == 0:
            raise error
        seen.append(event.data)

    contract.publish(stream, 0, 1)
    contract.burst()

    assert seen == [1]
    assert len(contract.dead()) + contract.client.zcard(contract.keys().retry) == 1
    for letter in contract.dead():
        assert letter[b"dead_error"].decode().isprintable()


def test_an_entry_of_5000_fields_is_buried_whole(contract: Contract) -> None:
    stream = contract.stream()

    @stream.handler(group="g")
    def handle(event: Any) -> None:
        assert event.foreign
        assert len(event.data) == 5000
        raise Reject("too many")

    contract.raw({f"f{n:04}": str(n) for n in range(5000)})
    contract.burst()

    [letter] = contract.dead()
    packed = msgspec.msgpack.decode(letter[b"dead_packed"])
    assert packed == [text for n in range(5000) for text in (f"f{n:04}", str(n))]


def test_pending_entries_whose_payload_someone_trimmed_are_counted_and_acked(contract: Contract) -> None:
    stream = contract.stream()
    seen: list[Any] = []

    @stream.handler(group="g")
    def handle(event: Any) -> None:
        seen.append(event.data)

    contract.publish(stream, *range(10))
    ids = contract.taken_by_a_dead_consumer(10)
    contract.client.xtrim(contract.key, minid=ids[4], approximate=False)
    running = contract.start()

    wait_for(contract.settled)
    assert seen == list(range(4, 10))
    assert running.worker.loops[0]._claiming.lost == 4
