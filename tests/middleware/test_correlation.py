from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest

from django_redis_bus.core.causation import handling
from django_redis_bus.middleware.correlation import Correlation
from django_redis_bus.testing import event_for
from tests.middleware.examples import event, handler

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_the_event_is_known_while_its_handler_runs() -> None:
    ours = event()
    with Correlation().around(ours, handler()):
        assert handling.get() is ours
    assert handling.get() is None


def test_also_when_the_handler_fails() -> None:
    with pytest.raises(ValueError, match="x"), Correlation().around(event(), handler()):
        raise ValueError("x")
    assert handling.get() is None


def test_inside_of_another_the_outer_one_comes_back() -> None:
    outer, inner = event(id="outer"), event(id="inner")
    with Correlation().around(outer, handler()):
        with Correlation().around(inner, handler()):
            assert handling.get() is inner
        assert handling.get() is outer


def test_what_is_published_inside_names_its_cause(declare: Callable[..., Any]) -> None:
    orders = declare()
    ours = event(traceparent=PARENT, correlation_id="first", hops=2)
    with Correlation().around(ours, handler()):
        inside = event_for(orders, {})
    outside = event_for(orders, {})
    assert (inside.correlation_id, inside.causation_id, inside.hops) == ("first", "e-1", 3)
    assert inside.traceparent is not None
    assert inside.traceparent.startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert inside.traceparent != PARENT
    assert (outside.correlation_id, outside.causation_id, outside.hops, outside.traceparent) == (None, None, 0, None)


async def test_coroutines_on_one_event_loop_know_their_own() -> None:
    async def run(name: str) -> str:
        with Correlation().around(event(id=name), handler()):
            await asyncio.sleep(0)
            known = handling.get()
            assert known is not None
            return known.id

    assert await asyncio.gather(*(run(name) for name in "abc")) == ["a", "b", "c"]


def test_another_thread_knows_nothing_of_it() -> None:
    seen: list[object] = []
    with Correlation().around(event(), handler()):
        thread = Thread(target=lambda: seen.append(handling.get()))
        thread.start()
        thread.join()
    assert seen == [None]
