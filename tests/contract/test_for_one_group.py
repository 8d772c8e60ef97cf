"""A copy of an event that is for one group alone."""

from __future__ import annotations

import pytest

from django_redis_bus import Event
from django_redis_bus.core.envelope import ONLY_FOR
from tests.contract.consuming import FAST, Contract


@pytest.mark.parametrize("kind", ["sync", "async", "batch"])
@pytest.mark.parametrize("fields", [None, {b"n": b"7"}], ids=["event", "foreign"])
def test_only_that_group_sees_it(contract: Contract, kind: str, fields: dict[bytes, bytes] | None) -> None:
    seen: dict[str, list[Event[object]]] = {"g": [], "other": []}
    stream = contract.stream()
    for group in seen:
        if kind == "async":

            async def anote(event: Event[object], group: str = group) -> None:
                seen[group].append(event)

            stream.handler(group=group, retry=FAST)(anote)
        elif kind == "batch":

            def note_all(events: list[Event[object]], group: str = group) -> None:
                seen[group] += events

            stream.handler(group=group, retry=FAST, batch=5)(note_all)
        else:

            def note(event: Event[object], group: str = group) -> None:
                seen[group].append(event)

            stream.handler(group=group, retry=FAST)(note)

    # Given an event, and a copy of it
    [first] = contract.publish(stream, {"n": "7"}) if fields is None else [contract.raw(fields)]
    [(_, plain)] = contract.client.xrange(contract.key)
    contract.raw({ONLY_FOR: b"g", **plain})

    contract.burst()

    # Then the copy is what the event was, and nobody else had to do with it
    assert [event.data for event in seen["g"]] == [{"n": "7"}] * 2
    assert [event.foreign for event in seen["g"]] == [fields is not None] * 2
    assert [event.entry_id for event in seen["other"]] == [first]
    assert contract.settled("g")
    assert contract.settled("other")
    assert contract.dead() == []
