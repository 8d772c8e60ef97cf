"""One test for each check of streams and handlers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import CheckMessage

from django_redis_bus import conf
from django_redis_bus.checks import check_bus
from django_redis_bus.checks.emitted import of_bus
from django_redis_bus.checks.handlers import check_handlers
from django_redis_bus.core.patterns import Pattern

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


class NoInbox:
    """A router that keeps the inbox in the database "default"."""

    def allow_migrate(self, db: str, app_label: str, **hints: object) -> bool | None:
        return db == "default" if app_label == "django_redis_bus" else None


class InboxInOther(NoInbox):
    def db_for_write(self, model: object, **hints: object) -> str:
        return "other"


@pytest.mark.parametrize("batch", [None, 10])
def test_idempotent_handlers_have_nothing_to_say(declare: Declare, settings: Any, batch: int | None) -> None:
    settings.DATABASE_ROUTERS = [f"{__name__}.NoInbox"]
    orders = declare()

    @orders.handler(group="routed", idempotent=True, batch=batch)
    def charge(event: object) -> None: ...

    @orders.handler(group="named", idempotent=True, using="default", batch=batch)
    def ship(event: object) -> None: ...

    assert found() == []


def test_e014_looks_at_the_function_of_an_idempotent_handler(declare: Declare) -> None:
    def handle(option: int, event: object) -> None: ...

    declare().handler(group="filled", idempotent=True)(functools.update_wrapper(functools.partial(handle, 1), handle))
    assert found() == []
    declare("events:two").handler(group="two", idempotent=True)(handle)
    assert "handle cannot be called with one argument" in only("bus.E014").msg


def test_e017(declare: Declare) -> None:
    @declare().handler(group="billing", idempotent=True, using="defualt")
    def charge(event: object) -> None: ...

    message = only("bus.E017")
    assert message.msg.endswith("charge is to use database 'defualt', which DATABASES does not have.")
    assert message.hint == "Did you mean 'default'?"


@pytest.mark.parametrize(("router", "using"), [("NoInbox", "other"), ("InboxInOther", None)])
def test_e018(declare: Declare, settings: Any, router: str, using: str | None) -> None:
    settings.DATABASE_ROUTERS = [f"{__name__}.{router}"]

    @declare().handler(group="billing", idempotent=True, using=using)
    def charge(event: object) -> None: ...

    message = only("bus.E018")
    assert message.msg.endswith("charge is idempotent, but the routers keep InboxEvent out of its database 'other'.")
    assert "allow_migrate('other', 'django_redis_bus', …)" in (message.hint or "")


def test_a_stream_without_declared_types_takes_any(declare: Declare) -> None:
    orders = declare()

    @orders.handler(types=["whatever"])
    def charge(event: object) -> None: ...

    assert found() == []


class TestTypesThatPublishersSend:
    @pytest.fixture
    def hints(self, declare: Declare, bus_settings: Callable[..., None]) -> Callable[..., list[str | None]]:
        """What a handler of events:order that wants `wanted` is told, beside one publisher."""

        def run(wanted: str, payload: Any = None, **entry: Any) -> list[str | None]:
            if "SIGNAL" not in entry:
                entry = {"MODEL": "tests_app.Order"} | entry
            bus_settings(SOURCE="shop", PUBLISHERS={"p": {"TOPIC": "events:order"} | entry})
            declare("events:other")
            orders = declare(payload=payload)

            @orders.handler(types=[wanted])
            def charge(event: object) -> None: ...

            messages = check_handlers(conf.configs())
            assert all(m.id == "bus.W010" and "charge wants type" in m.msg for m in messages)
            return [m.hint for m in messages]

        return run

    @pytest.mark.parametrize(
        ("wanted", "entry", "meant"),
        [
            ("tests_app.order.craeted", {}, "tests_app.order.created"),
            ("tests_app.Tag.updated", {"MODEL": "tests_app.Tag"}, "tests_app.tag.updated"),
            ("tests.app.order.deleted", {}, "tests_app.order.deleted"),
            ("shop.order.shiped", {"TYPE": "shop.order.shipped"}, "shop.order.shipped"),
            ("shop.ordr.created", {"TYPE": "shop.order.{action}"}, "shop.order.created"),
            ("shop.user_loged_in", {"SIGNAL": "django.contrib.auth.signals.user_logged_in"}, "shop.user_logged_in"),
        ],
    )
    def test_w010(self, hints: Callable[..., Any], wanted: str, entry: dict[str, Any], meant: str) -> None:
        # Given a publisher, and a handler of a type that is nearly one of its types
        # Then the handler's author is asked
        assert hints(wanted, **entry) == [f"Did you mean {meant!r}?"]

    @pytest.mark.parametrize(
        ("wanted", "entry"),
        [
            ("tests_app.order.created", {}),
            # Only the beginning is the same: code may well publish these
            ("shop.order.paid", {"TYPE": "shop.order.placed"}),
            ("tests_app.order.updated", {"ACTIONS": ["created"]}),
            ("tests_app.order.line.created", {}),
            ("stock.low", {}),
            # Somewhere else
            ("tests_app.order.craeted", {"TOPIC": "events:other"}),
            # Only an event tells
            ("tests_app.order.craeted", {"TYPE": "tests_app.order.{status}"}),
            # What other checks report
            ("tests_app.order.craeted", {"MODEL": "tests_app.Nothing"}),
            ("tests_app.order.craeted", {"TOPIC": "no topic"}),
            ("tests_app.order.craeted", {"TOPIC": "events:undeclared"}),
            ("tests_app.order.craeted", {"TYPE": "tests_app.{"}),
        ],
    )
    def test_other_types_are_fine(self, hints: Callable[..., Any], wanted: str, entry: dict[str, Any]) -> None:
        assert hints(wanted, **entry) == []

    def test_a_declared_type_is_no_slip(self, hints: Callable[..., Any]) -> None:
        types = {"shop.order.shipped": None, "shop.order.shiped": None}
        assert hints("shop.order.shiped", payload=types, TYPE="shop.order.shipped") == []

    def test_a_type_that_another_publisher_might_send(self, hints: Callable[..., Any], declare: Declare) -> None:
        # Given two publishers: one of a fixed type, one whose types only its events tell
        assert hints("shop.order.shiped", TYPE="shop.order.shipped")
        emitted = of_bus(conf.configs()["default"])["events:order"]
        assert not emitted.has("shop.order.shiped")
        # When one of the other's types may be the one wanted
        emitted.patterns.append(Pattern("shop.order.{status}"))
        # Then it counts as sent
        assert emitted.has("shop.order.shiped")
