"""Traces and chains of events: in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus import Retry
from tests.contract.consuming import Contract

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("kind", ["sync", "threads", "async"])
def test_what_a_handler_publishes_names_its_cause_and_stays_in_its_trace(contract: Contract, kind: str) -> None:
    first, second = contract.stream(), contract.stream("events:second")
    causes: list[Any] = []
    effects: list[Any] = []

    if kind == "async":

        @first.handler(group="g")
        async def handle_async(event: Any) -> None:
            causes.append(event)
            await second.apublish({"n": 2})

    else:

        @first.handler(group="g")
        def handle(event: Any) -> None:
            causes.append(event)
            second.publish({"n": 2})

    @second.handler(group="g")
    def effect(event: Any) -> None:
        effects.append(event)

    message = first.message({"n": 1})
    contract.raw(dict(zip(message.fields[::2], message.fields[1::2], strict=True)) | {"ce_traceparent": TRACE})
    contract.burst(threads=2 if kind == "threads" else 0)

    [cause], [effect_event] = causes, effects
    assert cause.traceparent == TRACE
    assert effect_event.causation_id == cause.id
    assert effect_event.correlation_id == cause.id
    assert effect_event.hops == 1
    version, trace_id, span_id, flags = effect_event.traceparent.split("-")
    assert (version, trace_id, flags) == ("00", TRACE[3:35], "01")
    assert span_id != TRACE[36:52]


def test_what_is_published_outside_of_a_handler_names_no_cause(contract: Contract) -> None:
    stream = contract.stream()
    seen: list[Any] = []

    @stream.handler(group="g")
    def handle(event: Any) -> None:
        seen.append(event)

    contract.publish(stream, 1)
    contract.burst()
    contract.publish(stream, 2)
    contract.burst()

    assert [(e.causation_id, e.correlation_id, e.hops) for e in seen] == [(None, None, 0)] * 2


def test_events_that_cause_each_other_in_a_circle_come_to_an_end(
    contract: Contract, configure: Callable[..., None]
) -> None:
    configure(MAX_HOPS=5)
    stream = contract.stream()
    hops: list[int] = []

    @stream.handler(group="g", retry=Retry(max_attempts=1))
    def handle(event: Any) -> None:
        hops.append(event.hops)
        stream.publish(event.data)

    contract.publish(stream, 1)
    contract.burst()

    assert hops == [0, 1, 2, 3, 4, 5]
    [letter] = contract.dead()
    assert b"HopLimitExceeded" in letter[b"dead_error"]
    assert b"MAX_HOPS = 5" in letter[b"dead_error"]
