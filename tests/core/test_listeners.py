"""What a listener's function is given."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.core.exceptions import ConfigurationError
from django_redis_bus.core.listeners import Listener, check_queue, misfit, wanted


def plain(event: Any) -> None: ...


def with_room(event: Any, room: str) -> None: ...


def with_named_room(event: Any, *, room: str, more: int = 1) -> None: ...


def with_all(event: Any, **parameters: Any) -> None: ...


def with_only_all(**parameters: Any) -> None: ...


def called_room(room: Any) -> None: ...


def with_more(event: Any, rom: str) -> None: ...


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (plain, ()),
        (with_room, ("room",)),
        (with_named_room, ("room",)),
        (with_all, ("tenant", "room")),
        (called_room, ()),
        (print, ()),
        (functools.partial(with_room, room="x"), ("room",)),
    ],
)
def test_it_gets_the_parameters_that_it_names(fn: Callable[..., Any], expected: tuple[str, ...]) -> None:
    assert wanted(fn, ("tenant", "room")) == expected


@pytest.mark.parametrize("fn", [plain, with_room, with_named_room, with_all, called_room, dict.fromkeys])
def test_what_can_be_called_has_nothing_to_say(fn: Callable[..., Any]) -> None:
    assert misfit(listener(fn)) is None


@pytest.mark.parametrize("fn", [with_more, with_only_all, lambda: None])
def test_what_cannot_be_called_is_told(fn: Callable[..., Any]) -> None:
    assert misfit(listener(fn))


def listener(fn: Callable[..., Any]) -> Listener:
    return Listener(name="it", fn=fn, is_async=False, parameters=wanted(fn, ("tenant", "room")))


@pytest.mark.parametrize(
    ("queue", "overflow", "on_gap", "what"),
    [
        (0, "block", None, "queue is the most"),
        (True, "block", None, "queue is the most"),
        (1, "drop", None, "overflow is one of 'drop_oldest', 'drop_newest', 'coalesce', 'block'"),
        (1, "block", 7, "on_gap is a function"),
    ],
)
def test_bad_arguments_are_told(queue: Any, overflow: Any, on_gap: Any, what: str) -> None:
    with pytest.raises(ConfigurationError, match=f"shop.f: {what}"):
        check_queue("shop.f", queue, overflow, on_gap)
