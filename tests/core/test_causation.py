from __future__ import annotations

from typing import Any

import pytest

from django_redis_bus.core.causation import cause_of, child_traceparent
from django_redis_bus.core.events import Event
from django_redis_bus.core.exceptions import HopLimitExceeded

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


def event(**attributes: Any) -> Event[None]:
    usual = {"id": "e-1", "source": "shop", "type": "created", "data": None, "topic": "events:order"}
    return Event(**(usual | attributes))


def test_outside_of_a_handler_there_is_no_cause() -> None:
    assert cause_of(None, max_hops=1) is None


def test_the_first_event_of_a_chain_gives_it_its_name() -> None:
    cause = cause_of(event(), max_hops=1)
    assert cause == (None, "e-1", "e-1", 1)


def test_later_events_keep_the_chains_name() -> None:
    cause = cause_of(event(correlation_id="first", hops=4), max_hops=5)
    assert cause == (None, "first", "e-1", 5)


def test_a_chain_that_grows_too_long_is_cut_with_advice() -> None:
    with pytest.raises(HopLimitExceeded, match="MAX_HOPS = 5") as caught:
        cause_of(event(hops=5), max_hops=5)
    assert "e-1" in str(caught.value)
    assert "WHEN or ONLY_IF_CHANGED" in str(caught.value)


def test_a_child_stays_in_the_trace_with_a_span_of_its_own() -> None:
    one, two = child_traceparent(PARENT), child_traceparent(PARENT)
    assert one is not None
    version, trace_id, span_id, flags = one.split("-")
    assert (version, trace_id, flags) == ("00", TRACE_ID, "01")
    assert len(span_id) == 16
    assert one != two
    assert PARENT not in (one, two)


def test_a_later_version_of_the_header_is_understood_as_far_as_ours_goes() -> None:
    child = child_traceparent(f"cc-{TRACE_ID}-b7ad6b7169203331-01-what-comes-later")
    assert child is not None
    assert child.startswith(f"00-{TRACE_ID}-")
    assert child.endswith("-01")


@pytest.mark.parametrize(
    "parent",
    [
        None,
        "",
        "trace",
        f"00-{TRACE_ID}",
        f"00-{TRACE_ID.upper()}-b7ad6b7169203331-01",
        f"ff-{TRACE_ID}-b7ad6b7169203331-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID}-b7ad6b7169203331-01\n",
        f"00-{TRACE_ID}-b7ad6b7169203331-\x00\x01",
        f"00-{'x' * 32}-b7ad6b7169203331-01",
        f"00\nERROR-{TRACE_ID}-b7ad6b7169203331-01",
    ],
)
def test_without_a_usable_parent_there_is_no_trace(parent: str | None) -> None:
    # What came over the wire would otherwise be sent on in our name.
    assert child_traceparent(parent) is None
