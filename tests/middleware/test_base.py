from __future__ import annotations

import inspect
from typing import Any

import pytest
from django.utils.module_loading import import_string

from django_redis_bus.consuming import middleware
from django_redis_bus.core.exceptions import ConfigurationError
from django_redis_bus.core.handlers import MiddlewareHooks
from django_redis_bus.core.policy import ACK
from django_redis_bus.middleware import DEFAULT, Middleware
from tests.middleware.examples import delivery, event, handler

HOOKS = {name for name, each in vars(Middleware).items() if inspect.isfunction(each) and name != "wants_acks"}


def test_the_base_class_has_every_hook_and_says_that_it_does_nothing() -> None:
    assert {name for name, each in vars(MiddlewareHooks).items() if inspect.isfunction(each)} >= HOOKS
    assert {"begin", "abegin", "around", "failed", "afailed", "outcome"} == HOOKS
    assert all(getattr(Middleware, hook).is_no_op for hook in HOOKS)


async def test_the_hooks_of_the_base_class_can_be_called() -> None:
    # as `super()` of those that override them
    base = Middleware()
    base.begin()
    base.failed()
    base.outcome(None, None, delivery(), ACK, 0.0)
    assert base.around(event(), handler()) is None
    await base.abegin()
    await base.afailed()


def test_the_default_list_can_be_made() -> None:
    assert [type(each) for each in middleware(None, stream="s", group="g")] == [import_string(path) for path in DEFAULT]
    assert all(isinstance(each, Middleware) for each in middleware(None, stream="s", group="g"))


def test_each_knows_what_it_serves() -> None:
    assert {(each.stream, each.group) for each in middleware(None, stream="events:order", group="billing")} == {
        ("events:order", "billing")
    }
    assert (Middleware.stream, Middleware.group) == ("", "")


def test_a_list_of_ones_own_replaces_it() -> None:
    assert middleware([], stream="s", group="g") == []
    assert [type(each) for each in middleware(["django_redis_bus.middleware.Middleware"], stream="s", group="g")] == [
        Middleware
    ]


def test_what_cannot_be_imported_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"'nowhere\.Middleware' cannot be imported"):
        middleware(["nowhere.Middleware"], stream="s", group="g")


def test_overriding_a_hook_takes_the_mark_off() -> None:
    class Own(Middleware):
        def begin(self) -> None: ...

    own: Any = Own()
    assert not hasattr(own.begin, "is_no_op")
    assert own.failed.is_no_op
