"""While one batch is on its way to Redis the next is taken in hand; nothing overtakes anything by that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Event, current_thread, main_thread
from typing import Any

import pytest
from django.db import OperationalError, connections

from django_redis_bus.core.exceptions import PublishError, Unavailable
from django_redis_bus.outbox import carrying
from django_redis_bus.outbox.carrying import Carrier
from django_redis_bus.runtime.stopping import Stopping
from django_redis_bus.sending import Sender
from tests.faults.fleet import wait_for

from .conftest import Outbox, Put, ids

pytestmark = pytest.mark.databases(transaction=True)

Attempt = Callable[[Sequence[Any]], Sequence[Any] | None]


@pytest.fixture
def stopping() -> Stopping:
    return Stopping(5)


@pytest.fixture
def carrier(database: str, stopping: Stopping, monkeypatch: pytest.MonkeyPatch) -> Iterator[Carrier]:
    """A carrier of five rows at a time, which another thread sends."""
    monkeypatch.setattr(carrying, "ASIDE", 2)
    made = Carrier(database, "default", batch=5, stopping=stopping)
    yield made
    made.close()


@pytest.fixture
def first(monkeypatch: pytest.MonkeyPatch) -> Callable[[Attempt], None]:
    """What the first attempt does in place of sending; None sends after it."""
    attempt = Sender.attempt

    def decide(act: Attempt) -> None:
        acts = [act]

        def attempting(self: Sender, messages: Sequence[Any], deadline_s: float | None = None) -> Any:
            results = acts.pop()(messages) if acts else None
            return attempt(self, messages, deadline_s) if results is None else results

        monkeypatch.setattr(Sender, "attempt", attempting)

    return decide


def all_sent(carrier: Carrier, outbox: Outbox) -> bool:
    return carrier.turn() >= 0 and set(outbox.states()) == {"SENT"}


def test_the_next_is_in_hand_before_the_first_has_arrived(
    carrier: Carrier, put: Put, outbox: Outbox, database: str, first: Callable[[Attempt], None]
) -> None:
    rows = put(12, keys=["a", None])

    def watching(messages: Sequence[Any]) -> None:
        assert current_thread() is not main_thread()
        try:
            wait_for(lambda: outbox.rows.filter(lease__gt=0).count() == 10)
        finally:
            connections[database].close()

    first(watching)

    wait_for(lambda: all_sent(carrier, outbox))
    assert outbox.sent() == ids(rows)
    assert carrier.counts == {"sent": 12}


def test_what_was_lost_is_not_overtaken(
    carrier: Carrier, put: Put, outbox: Outbox, first: Callable[[Attempt], None]
) -> None:
    rows = put(12, keys=["a"])
    first(lambda messages: [Unavailable("lost")] * len(messages))

    wait_for(lambda: all_sent(carrier, outbox))

    assert outbox.sent() == ids(rows)


def test_what_was_refused_is_not_overtaken_by_the_next_batch(
    carrier: Carrier, put: Put, outbox: Outbox, first: Callable[[Attempt], None]
) -> None:
    rows = put(10, keys=["a", "b"])
    refusal = PublishError("refused")
    first(lambda messages: [refusal, *carrier_results(messages[1:])])

    def carrier_results(messages: Sequence[Any]) -> Sequence[Any]:
        from django_redis_bus import bus

        return bus.sender.attempt(messages)

    wait_for(lambda: carrier.turn() > 0 and outbox.states().count("SENT") >= 7)

    sent = outbox.sent()
    # "a" of the first batch were in the same pipeline; "a" of the next are not sent before the one that was refused.
    assert [i for i in sent if i in ids(rows[1::2])] == ids(rows[1::2])
    assert set(sent) & set(ids(rows[::2])) == set(ids(rows[2:5:2]))


def test_asked_to_stop_it_settles_what_is_under_way_and_gives_back_the_rest(
    carrier: Carrier, put: Put, outbox: Outbox, stopping: Stopping, first: Callable[[Attempt], None]
) -> None:
    rows = put(12)
    go = Event()
    first(lambda messages: go.wait(10) and None)
    carrier.turn()

    stopping.request()
    go.set()
    carrier.turn()
    carrier.close()

    assert outbox.sent() == ids(rows[:5])
    assert outbox.states() == ["SENT"] * 5 + ["PENDING"] * 7
    assert set(outbox.rows.values_list("lease", flat=True)) == {0}


def test_a_database_that_goes_away_meanwhile_costs_nothing(
    carrier: Carrier, put: Put, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = put(12)
    carrier.turn()

    def gone(*args: Any, **options: Any) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(carrying, "claim", gone)
        with pytest.raises(OperationalError):
            carrier.turn()

    wait_for(lambda: all_sent(carrier, outbox))
    assert outbox.sent() == ids(rows)
