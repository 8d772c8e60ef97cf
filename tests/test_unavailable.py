"""Redis trouble never hangs a publish, and never publishes twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Any

import pytest

from django_redis_bus import Published, Unavailable, bus
from tests.servers import Server

Declare = Callable[..., Any]
Own = Callable[..., Server]

DEADLINE_S = 0.3
# What a busy machine may take longer.
PATIENCE_S = 3.0


@pytest.fixture
def nowhere(bus_settings: Callable[..., None]) -> None:
    bus_settings(LOCATION="unix:///tmp/nobody-is-here.sock", DEADLINE=DEADLINE_S, ON_FAILURE="raise")


@pytest.fixture
def own(own_server: Own, bus_settings: Callable[..., None]) -> Server:
    """A server of this test's own, which its bus uses."""
    server = own_server()
    bus_settings(LOCATION=server.url, KEY_PREFIX="", DEADLINE=DEADLINE_S, ON_FAILURE="raise")
    return server


@pytest.fixture
async def event_loop_ends(own: Server) -> AsyncIterator[None]:
    yield
    await bus.clients.aclose()


@pytest.mark.usefixtures("nowhere")
def test_an_absent_server_is_unavailable_at_once(declare: Declare) -> None:
    orders = declare()
    started = monotonic()
    with pytest.raises(Unavailable, match="nobody-is-here"):
        orders.publish(1)
    assert monotonic() - started < DEADLINE_S + PATIENCE_S


@pytest.mark.usefixtures("nowhere")
async def test_apublish_to_an_absent_server_is_unavailable_at_once(declare: Declare) -> None:
    started = monotonic()
    with pytest.raises(Unavailable, match="nobody-is-here"):
        await declare().apublish(1)
    assert monotonic() - started < DEADLINE_S + PATIENCE_S


@pytest.mark.usefixtures("nowhere")
def test_publish_many_says_so_for_each(declare: Declare) -> None:
    orders = declare()
    assert [type(result) for result in bus.publish_many([(orders, n) for n in range(3)])] == [Unavailable] * 3


def test_nothing_is_connected_before_it_is_needed(nowhere: None, declare: Declare) -> None:
    # Publishing comes to nothing, but declaring, encoding and asking for the bus do not even notice.
    orders = declare()
    assert orders.message(1).topic == "events:order"
    assert "nobody-is-here" in repr(buses_default())


def buses_default() -> object:
    from django_redis_bus import buses

    return buses["default"]


def test_a_frozen_server_is_unavailable_in_time_and_has_nothing_twice(own: Server, declare: Declare) -> None:
    # Given a bus that is connected, and a server that stops answering
    orders = declare()
    orders.publish("before")
    own.freeze()
    # When events are published
    started = monotonic()
    for number in range(2):
        with pytest.raises(Unavailable):
            orders.publish(number)
    took = monotonic() - started
    own.thaw()
    # Then each took no longer than DEADLINE allows
    assert took < 2 * DEADLINE_S + PATIENCE_S
    # And what the server finds when it wakes up is there once at most, and the bus works on
    orders.publish("after")
    data = [fields[b"data"] for _, fields in own.client().xrange("events:order")]
    assert data[0] == b'"before"'
    assert data[-1] == b'"after"'
    assert len(set(data)) == len(data)


@pytest.mark.usefixtures("event_loop_ends")
async def test_apublish_to_a_frozen_server_too(own: Server, declare: Declare) -> None:
    orders = declare()
    await orders.apublish("before")
    own.freeze()
    started = monotonic()
    with pytest.raises(Unavailable):
        await orders.apublish(1)
    took = monotonic() - started
    own.thaw()
    assert took < DEADLINE_S + PATIENCE_S
    await orders.apublish("after")
    data = [fields[b"data"] for _, fields in own.client().xrange("events:order")]
    assert len(set(data)) == len(data)
    assert data[-1] == b'"after"'


def test_a_restart_costs_at_most_the_publish_that_meets_it(own: Server, declare: Declare) -> None:
    # Given a connection in the pool that dies with the server
    orders = declare()
    orders.publish(1)
    own.restart()
    # When more is published
    results = [bus.publish_many([(orders, n)])[0] for n in (2, 3)]
    # Then at most the first of them is lost, and said to be
    assert isinstance(results[0], Published | Unavailable)
    assert isinstance(results[1], Published)
    published = 1 + sum(isinstance(result, Published) for result in results)
    assert own.client().xlen("events:order") == published


def test_no_password_in_what_is_said(bus_settings: Callable[..., None], declare: Declare) -> None:
    bus_settings(LOCATION="redis://user:hunter2@127.0.0.1:1/0", DEADLINE=DEADLINE_S, ON_FAILURE="raise")
    with pytest.raises(Unavailable) as caught:
        declare().publish(1)
    assert "hunter2" not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)
    assert "hunter2" not in repr(buses_default())
