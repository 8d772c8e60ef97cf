"""One test for each check of streams and handlers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import CheckMessage

from django_redis_bus import conf
from django_redis_bus.checks import check_bus
from django_redis_bus.checks.handlers import check_handlers

Declare = Callable[..., Any]


def found() -> list[CheckMessage]:
    messages = check_handlers(conf.configs())
    assert check_bus() == messages
    return messages


def only(id: str) -> CheckMessage:
    [message] = found()
    assert message.id == id
    assert message.is_serious()
    return message


def test_good_handlers_have_nothing_to_say(declare: Declare) -> None:
    orders = declare(payload={"created": None, "paid": None})

    @orders.handler(group="billing", types=["created"])
    def charge(event: object) -> None: ...

    @orders.handler(group="billing", types=["paid"])
    def ship(event: object, option: int = 1, *rest: object, **more: object) -> None: ...

    @orders.handler()
    async def mail(event: object) -> None: ...

    @orders.handler(batch=10)
    def count(events: object) -> None: ...

    declare("tenant:{tenant}:orders")
    assert found() == []


def test_e010(declare: Declare) -> None:
    declare(bus="defualt")
    message = only("bus.E010")
    assert message.msg == "Stream('events:order') is declared for bus 'defualt', which REDIS_BUS does not have."
    assert message.hint == "Did you mean 'default'?"


@pytest.mark.parametrize(
    ("one", "two"),
    [("events:{kind}", "events:order"), ("tenant:{t}", "{a}:{b}"), ("a:{x}", "{y}:b"), ("u-{x}", "u-{y}-z")],
)
def test_e011(declare: Declare, one: str, two: str) -> None:
    declare(one)
    declare(two)
    message = only("bus.E011")
    assert message.msg.startswith(f"Streams {one!r} and {two!r} of bus 'default' overlap")
    assert message.hint


def test_e011_also_for_streams_in_settings(declare: Declare, bus_settings: Callable[..., None]) -> None:
    bus_settings(STREAMS={"events:{kind}": {}})
    declare("events:order")
    assert only("bus.E011")


@pytest.mark.parametrize(
    ("one", "two"), [("a:{x}", "b:{x}"), ("a:{x}", "a:{x}:{y}"), ("a:{x}", "a"), ("{x}-a", "{x}-b")]
)
def test_names_that_can_be_told_apart(declare: Declare, one: str, two: str) -> None:
    declare(one)
    declare(two)
    assert found() == []


def test_e012(declare: Declare) -> None:
    orders = declare()

    @orders.handler(group="billing", types=["created", "paid"])
    def charge(event: object) -> None: ...

    @orders.handler(group="billing", types=["paid"])
    def ship(event: object) -> None: ...

    message = only("bus.E012")
    assert "group 'billing'" in message.msg
    assert message.msg.endswith("both want paid.")
    assert "own group" in (message.hint or "")


def test_e013(declare: Declare) -> None:
    orders = declare()

    @orders.handler(group="billing", types=["created"])
    def charge(event: object) -> None: ...

    @orders.handler(group="billing", types=["paid"])
    async def ship(event: object) -> None: ...

    message = only("bus.E013")
    assert "charge (sync)" in message.msg
    assert "ship (async)" in message.msg
    assert "separate groups" in (message.hint or "")


@pytest.mark.parametrize("batch", [None, 10])
def test_e014(declare: Declare, batch: int | None) -> None:
    orders = declare()

    @orders.handler(group="none", batch=batch)
    def nothing() -> None: ...

    @orders.handler(group="two", batch=batch)
    def two(event: object, order: object) -> None: ...

    messages = found()
    assert [message.id for message in messages] == ["bus.E014", "bus.E014"]
    assert (
        messages[0].hint
        == ("It takes one list of Events" if batch else "It takes one Event") + ": def nothing(event): …"
    )


def test_e014_knows_what_a_partial_takes(declare: Declare) -> None:
    def handle(option: int, event: object) -> None: ...

    # Given a handler with one argument filled in, which goes by the name of the function with two
    declare().handler()(functools.update_wrapper(functools.partial(handle, 1), handle))
    assert found() == []


def test_e014_does_not_mind_what_has_no_signature(declare: Declare) -> None:
    declare().handler(group="b")(dict.fromkeys)
    assert found() == []


def test_e015(declare: Declare) -> None:
    orders = declare(payload={"created": None, "paid": None})

    @orders.handler(types=["craeted", "paid", "moved"])
    def charge(event: object) -> None: ...

    messages = found()
    assert [message.id for message in messages] == ["bus.E015", "bus.E015"]
    assert "wants type 'craeted', which stream 'events:order' does not declare" in messages[0].msg
    assert messages[0].hint == "Did you mean 'created'?"
    assert messages[1].hint == "Known: 'created', 'paid'."


def test_a_stream_without_declared_types_takes_any(declare: Declare) -> None:
    orders = declare()

    @orders.handler(types=["whatever"])
    def charge(event: object) -> None: ...

    assert found() == []
