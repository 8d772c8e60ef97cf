"""Declarations: Stream, Channel, handler, upcaster."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from django_redis_bus import Channel, ConfigurationError, PayloadError, Retention, Retry, Stream, registry
from django_redis_bus.consuming import retention
from django_redis_bus.core.handlers import Handler
from django_redis_bus.core.topics import StreamTopic

Declare = Callable[..., Any]


def bound(stream: StreamTopic) -> list[Handler]:
    return [handler for handler in registry.handlers(stream.bus_alias) if handler.stream == stream.name]


def takes_one(event: object) -> None: ...


def test_a_stream_says_what_it_is(declare: Declare) -> None:
    orders = declare("tenant:{tenant}:orders")
    assert repr(orders) == "Stream('tenant:{tenant}:orders')"
    assert orders.bus.alias == "default"
    assert orders(tenant="acme").name == "tenant:acme:orders"


@pytest.mark.parametrize("name", ["", "a b", "a::b", "a:{b", "a\n"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(ConfigurationError, match="no topic name"):
        Stream(name)
    with pytest.raises(ConfigurationError, match="no topic name"):
        Channel(name)


def test_a_payload_type_that_cannot_be() -> None:
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Stream("events:never", payload=object)
    assert registry.find_stream("default", "events:never") is None


@pytest.mark.parametrize("parameters", [{}, {"tenant": "a:b"}, {"tenant": ""}, {"tenant": "a", "more": 1}])
def test_parameters_that_do_not_fit(declare: Declare, parameters: dict[str, Any]) -> None:
    with pytest.raises(PayloadError):
        declare("tenant:{tenant}:orders")(**parameters)


def test_a_stream_without_placeholders_takes_no_parameters(declare: Declare) -> None:
    orders = declare()
    assert orders().name == "events:order"
    with pytest.raises(PayloadError, match="takes the parameters: none"):
        orders(tenant="acme")


def test_a_name_is_declared_once(declare: Declare) -> None:
    declare()
    with pytest.raises(ConfigurationError, match=r"declared twice: in tests\.conftest line \d+ and in tests"):
        Stream("events:order")


def test_the_same_name_may_be_on_two_buses(declare: Declare) -> None:
    declare()
    other = declare(bus="eu")
    assert registry.find_stream("eu", "events:order") is other


@pytest.mark.parametrize(
    ("in_code", "in_settings", "kept"),
    [
        (None, None, Retention()),
        (Retention(count=5), None, Retention(count=5)),
        (Retention(count=5), {"RETENTION": {"count": 7}}, Retention(count=7)),
        # an entry that does not say anything of retention changes nothing
        (Retention(count=5), {}, Retention(count=5)),
        (None, {}, Retention()),
        (Retention(count=5), {"RETENTION": {"count": None}}, Retention(count=None)),
    ],
)
def test_settings_win_over_code_if_they_say_something(
    declare: Declare, bus_settings: Callable[..., None], in_code: Any, in_settings: Any, kept: Retention
) -> None:
    bus_settings(STREAMS={} if in_settings is None else {"events:order": in_settings})
    orders = declare(retention=in_code)
    assert retention(orders.bus, orders) == kept


# --- handlers


def test_a_handler_has_a_group_of_its_own_and_the_function_stays_what_it_is(declare: Declare) -> None:
    orders = declare()
    assert orders.handler()(takes_one) is takes_one
    [handler] = bound(orders)
    assert handler.name == handler.group == "tests.test_topics.takes_one"
    assert (handler.kind, handler.types, handler.fn) == ("sync", None, takes_one)
    assert handler.retry.max_attempts == Retry().max_attempts


def test_what_a_handler_may_say(declare: Declare) -> None:
    orders = declare()
    retry = Retry(max_attempts=2)
    orders.handler(group="billing", types=iter(["a", "b"]), retry=retry, batch=5)(takes_one)
    [handler] = bound(orders)
    assert (handler.group, handler.types, handler.batch, handler.kind) == ("billing", {"a", "b"}, 5, "batch")
    assert handler.retry is retry


def test_one_function_may_handle_several_streams(declare: Declare) -> None:
    one, two = declare("events:one"), declare("events:two")
    one.handler()(two.handler()(takes_one))
    assert len(bound(one)) == len(bound(two)) == 1


@pytest.mark.parametrize("types", ["shop.order.created", [], ()])
def test_types_are_a_list_with_something_in_it(declare: Declare, types: Any) -> None:
    with pytest.raises(ConfigurationError, match="types"):
        declare().handler(types=types)


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_holds_something(declare: Declare, batch: int) -> None:
    with pytest.raises(ConfigurationError, match="batch"):
        declare().handler(batch=batch)


def test_async_handlers_are_known_in_every_form(declare: Declare) -> None:
    async def plain(event: object) -> None: ...

    async def more(event: object, option: int) -> None: ...

    partial = functools.update_wrapper(functools.partial(more, option=1), more)
    orders = declare()
    for each in (plain, partial, sync_to_async(takes_one)):
        orders.handler()(each)
    assert [handler.kind for handler in bound(orders)] == ["async", "async", "async"]


def test_a_batch_of_coroutines_is_refused(declare: Declare) -> None:
    async def handler(events: object) -> None: ...

    with pytest.raises(ConfigurationError, match="batch handlers are `def` functions"):
        declare().handler(batch=5)(handler)


def test_an_idempotent_coroutine_is_refused(declare: Declare) -> None:
    async def handler(event: object) -> None: ...

    with pytest.raises(ConfigurationError, match=r"Django has no transactions in async code\. Write `def`"):
        declare().handler(idempotent=True)(handler)


def test_a_database_goes_with_idempotent_only(declare: Declare) -> None:
    with pytest.raises(ConfigurationError, match="using='other' is the database of the transaction that idempotent"):
        declare().handler(using="other")


@pytest.mark.parametrize("batch", [None, 5])
def test_an_idempotent_handler_is_bound_wrapped(declare: Declare, batch: int | None) -> None:
    orders = declare()
    assert orders.handler(group="billing", idempotent=True, using="other", batch=batch)(takes_one) is takes_one
    [handler] = bound(orders)
    assert (handler.idempotent, handler.using) == (True, "other")
    assert handler.fn is not takes_one
    assert inspect.unwrap(handler.fn) is takes_one
    assert handler.name == "tests.test_topics.takes_one"


def test_two_idempotent_handlers_of_one_name_and_group_are_refused(declare: Declare) -> None:
    def notify(event: object) -> None: ...

    first = notify

    def notify(event: object) -> None: ...  # type: ignore[no-redef]

    orders = declare()
    orders.handler(types=["a"], idempotent=True)(first)
    with pytest.raises(ConfigurationError, match="two handlers are called"):
        orders.handler(types=["b"], idempotent=True)(notify)


def test_a_function_that_would_not_run_is_refused(declare: Declare) -> None:
    # Given functions whose call returns a generator and runs nothing: each event would be acked unseen
    def generator(event: object) -> Iterator[None]:
        yield

    async def async_generator(event: object) -> AsyncIterator[None]:
        yield

    for each in (generator, async_generator):
        with pytest.raises(ConfigurationError, match="has a yield"):
            declare().handler()(each)


@pytest.mark.parametrize("nameless", [functools.partial(takes_one), type("Callable", (), {"__call__": takes_one})()])
def test_what_has_no_name_is_refused(declare: Declare, nameless: Any) -> None:
    with pytest.raises(ConfigurationError, match="has no name of its own"):
        declare().handler(group="billing")(nameless)


def test_two_handlers_of_one_name_and_group_are_refused(declare: Declare) -> None:
    # Given a copy whose name was not changed
    def notify(event: object) -> None: ...

    first = notify

    def notify(event: object) -> None: ...  # type: ignore[no-redef]

    orders = declare()
    orders.handler(types=["a"])(first)
    # Then the first is not silently replaced
    with pytest.raises(ConfigurationError, match="two handlers are called"):
        orders.handler(types=["b"])(notify)
    [handler] = bound(orders)
    assert handler.fn is first


def test_a_function_that_is_registered_again_takes_its_own_place(declare: Declare) -> None:
    # as when a module is reloaded
    def make() -> Callable[[object], None]:
        def handler(event: object) -> None: ...

        return handler

    orders = declare()
    orders.handler()(make())
    second = orders.handler()(make())
    [handler] = bound(orders)
    assert handler.fn is second


# --- upcasters


def test_an_upcaster_is_kept_for_its_version(declare: Declare) -> None:
    orders = declare(version=3)

    @orders.upcaster(from_version=2)
    def step(data: dict[str, Any]) -> dict[str, Any]:
        return data

    assert orders.payloads.upcasters == {2: step}


@pytest.mark.parametrize(("version", "from_version"), [(1, 1), (2, 2), (2, 5), (2, 0)])
def test_an_upcaster_that_would_never_be_called_is_refused(declare: Declare, version: int, from_version: int) -> None:
    with pytest.raises(ConfigurationError, match="would never be called"):
        declare(version=version).upcaster(from_version=from_version)


@pytest.mark.parametrize("group", ["two words", "a\nb", "a\x00b", "g" * 201])
def test_a_group_name_that_no_tool_could_show_is_refused(group: str) -> None:
    stream = Stream("topics:groups")
    with pytest.raises(ConfigurationError, match="no group name"):
        stream.handler(group=group)(lambda event: None)
    registry.remove_stream(stream)
