from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django_redis_bus.core.handlers import Handler, Router, conflicts
from django_redis_bus.core.policy import Retry


def handler(name: str, types: Iterable[str] | None = None, **options: Any) -> Handler:
    return Handler(
        name=name, stream="events:order", group="billing", fn=print,
        types=None if types is None else frozenset(types), retry=Retry(), **options,
    )  # fmt: skip


def test_one_handler_for_everything_needs_no_look_up() -> None:
    one = handler("one")
    router = Router([one])
    assert router.only is one
    assert router.route("whatever") is one


def test_each_type_has_its_handler_and_other_types_none() -> None:
    created, paid = handler("a", ["created", "opened"]), handler("b", ["paid"])
    router = Router([created, paid])
    assert router.only is None
    assert [router.route(t) for t in ("created", "opened", "paid", "moved", "")] == [created, created, paid, None, None]


def test_one_handler_with_types_is_still_asked() -> None:
    router = Router([handler("a", ["created"])])
    assert router.only is None
    assert router.route("moved") is None


def test_the_group_reads_as_much_as_its_smallest_batch_takes() -> None:
    assert Router([handler("a", ["x"], batch=50), handler("b", ["y"], batch=10)]).batch == 10
    assert Router([handler("a")]).batch is None


def test_kinds() -> None:
    assert Router([handler("a")]).kind == "sync"
    assert Router([handler("a", is_async=True)]).kind == "async"
    assert Router([handler("a", batch=5)]).kind == "batch"


def test_handlers_that_share_nothing_may_share_a_group() -> None:
    assert conflicts("events:order", "billing", [handler("a", ["x"]), handler("b", ["y"])]) == []
    assert conflicts("events:order", "billing", [handler("a")]) == []


def test_types_that_overlap_are_named() -> None:
    [problem] = conflicts("events:order", "billing", [handler("a", ["x", "y", "z"]), handler("b", ["z", "y"])])
    assert problem.id == "bus.E012"
    assert "a and b both want y, z" in problem.message


def test_a_handler_of_everything_overlaps_with_any() -> None:
    [problem] = conflicts("events:order", "billing", [handler("a"), handler("b", ["x"])])
    assert problem.id == "bus.E012"
    assert "both want every type" in problem.message


def test_kinds_do_not_mix() -> None:
    mixed = [handler("a", ["x"]), handler("b", ["y"], is_async=True), handler("c", ["z"], batch=2)]
    [problem] = conflicts("events:order", "billing", mixed)
    assert problem.id == "bus.E013"
    assert "a (sync), b (async), c (batch)" in problem.message
