"""Notes beside a stream that somebody else has written: none of them stops a group."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus import Event, Retry
from tests.contract.consuming import Contract, wait_for

Spoil = Callable[[Contract, str], Any]


def failures(note: str) -> Spoil:
    return lambda contract, name: [
        contract.client.hset(contract.keys().failures, entry_id, note) for entry_id in contract.pending()
    ]


def record(note: str, *, own: bool = False) -> Spoil:
    return lambda contract, name: contract.client.hset(contract.keys().consumers, name if own else "other", note)


def replay(**state: str) -> Spoil:
    return lambda contract, name: contract.client.hset(contract.keys().replay, mapping=state)


SPOILT: dict[str, Spoil] = {
    "failures: no JSON": failures("garbage"),
    "failures: a number": failures("5"),
    "failures: null": failures("null"),
    "failures: parts of other types": failures('{"expired":"x","crashes":{},"error":7,"first":null,"held":3}'),
    "failures: nested deeply": failures("[" * 5_000),
    "retry: no id": lambda contract, name: contract.client.zadd(contract.keys().retry, {"notanid": 1}),
    "consumers: no JSON": record("garbage"),
    "consumers: nothing in it": record("{}"),
    "consumers: its own": record("garbage", own=True),
    "paused: another type": lambda contract, name: contract.client.set(contract.keys().paused, "x"),
    "paused: bytes": lambda contract, name: contract.client.hset(contract.keys().paused, b"\xff", b"\xff"),
    "replay: half of it": replay(since="0-0"),
    "replay: no ids": replay(since="abc", until="x"),
    "replay: no numbers": replay(since="0-0", until="9-9", per_s="abc", done="abc", started="x"),
    "replay: another type": lambda contract, name: contract.client.set(contract.keys().replay, "x"),
    "groups: no number": lambda contract, name: contract.client.hset(contract.keys().groups, "g", "x"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_group_goes_on_whatever_stands_there(contract: Contract, what: str) -> None:
    # Given a group with events that wait for a retry, and a stream that is kept short
    seen: list[int] = []
    stream = contract.stream()

    @stream.handler(group="g", retry=Retry(max_attempts=5, backoff_s=0.3, factor=1))
    def note(event: Event[int]) -> None:
        if event.data < 2 and not seen.count(event.data):
            seen.append(event.data)
            raise ValueError("not yet")
        seen.append(event.data)

    contract.publish(stream, 0, 1)
    running = contract.start()
    wait_for(lambda: contract.client.zcard(contract.keys().retry) == 2)

    # When somebody spoils what is noted
    SPOILT[what](contract, running.names[0])
    contract.publish(stream, 2, 3)

    # Then all is handled, and another consumer can come
    wait_for(lambda: sorted(seen) == [0, 0, 1, 1, 2, 3], what=f"for {seen}")
    running.stop()
    contract.publish(stream, 4)
    contract.start()
    wait_for(lambda: 4 in seen)


def test_a_replay_that_is_none_ends_and_says_why(contract: Contract) -> None:
    stream = contract.stream()

    @stream.handler(group="g")
    def note(event: Event[int]) -> None: ...

    contract.publish(stream, 1)
    contract.client.hset(contract.keys().replay, mapping={"since": "abc", "until": "9-9"})
    contract.start()

    wait_for(lambda: contract.client.hget(contract.keys().replay, "over"))
    assert b"Invalid stream ID" in (contract.client.hget(contract.keys().replay, "trouble") or b"")


def test_a_pause_is_obeyed_beside_a_replay_that_is_none(contract: Contract) -> None:
    stream = contract.stream()

    @stream.handler(group="g")
    def note(event: Event[int]) -> None: ...

    running = contract.start()
    contract.client.hset(contract.keys().replay, mapping={"since": "abc", "until": "x"})
    contract.client.hset(contract.keys().paused, "g", json.dumps({"by": "ada"}))

    wait_for(lambda: all((contract.record(name) or {}).get("paused") for name in running.names))
