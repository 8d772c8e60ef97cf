"""What consumers tell of themselves: who they are, what they have in hand, what they have done in each minute."""

from __future__ import annotations

import socket
from threading import Event as Flag

from django_redis_bus import Event, Reject, buses
from django_redis_bus.core.keys import streams_key
from tests.contract.consuming import FAST, TOPIC, Contract, wait_for


def minutes(contract: Contract) -> dict[str, int]:
    """The sum of all minutes; of "added" the last."""
    total: dict[str, int] = {}
    for key in sorted(contract.client.scan_iter(contract.keys().stats("*").replace("{", "[{]").replace("}", "[}]"))):
        assert 7_000 < contract.client.ttl(key) <= 7_500
        for name, value in contract.client.hgetall(key).items():
            if name == b"from":
                continue
            before = 0 if name == b"added" else total.get(name.decode(), 0)
            total[name.decode()] = before + int(value)
    return total


def test_each_outcome_is_counted_once(contract: Contract) -> None:
    stream = contract.stream()

    @stream.handler(group="g", retry=FAST)
    def work(event: Event[int]) -> None:
        if event.data == 0:
            raise Reject("no")
        if event.data < 4 and event.attempt == 1:
            raise ValueError("not yet")

    contract.publish(stream, *range(50))
    running = contract.start()
    wait_for(contract.settled)
    running.stop()

    assert minutes(contract) == {"added": 50, "g handled": 49, "g failed": 3, "g dead": 1}


def test_a_burst_is_counted_too(contract: Contract) -> None:
    stream = contract.stream()

    @stream.handler(group="g")
    def work(event: Event[int]) -> None: ...

    contract.publish(stream, *range(7))
    contract.burst()

    assert minutes(contract)["g handled"] == 7


def test_a_heartbeat_says_what_is_in_hand(contract: Contract) -> None:
    free = Flag()
    stream = contract.stream()

    @stream.handler(group="g")
    def wait(event: Event[int]) -> None:
        free.wait(10)

    [first, *_] = contract.publish(stream, 1, 2, 3)
    running = contract.start()
    [name] = running.names

    def told() -> bool:
        record = contract.record(name)
        assert record is not None
        return bool(record["oldest"] == first and record["oldest_ms"] > 0)

    wait_for(told)
    record = contract.record(name)
    free.set()
    assert record is not None
    assert (record["host"], record["lease_ms"], record["held"]) == (socket.gethostname(), 2_000, 3)
    assert not record["paused"]


def test_a_stream_that_is_consumed_is_listed(contract: Contract) -> None:
    stream = contract.stream("tenant:{tenant}:orders")

    @stream.handler(group="g")
    def note(event: Event[int]) -> None: ...

    contract.burst(topics=("tenant:acme:orders",))

    prefix = buses["default"].config.key_prefix
    assert contract.client.smembers(streams_key(prefix)) == {b"tenant:acme:orders"}
    assert TOPIC not in str(contract.client.keys("*streams*"))
