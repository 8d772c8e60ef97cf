from __future__ import annotations

from threading import Timer
from time import monotonic

import pytest

from django_redis_bus.runtime import stopping as module
from django_redis_bus.runtime.stopping import Stopping


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    now = {"now": 1_000.0}
    monkeypatch.setattr(module, "monotonic", lambda: now["now"])
    return now


def test_nobody_has_asked(clock: dict[str, float]) -> None:
    stopping = Stopping(20.0)
    assert not stopping.requested
    assert stopping.left_s == float("inf")


def test_once_asked_there_is_the_time_to_drain(clock: dict[str, float]) -> None:
    stopping = Stopping(20.0)
    stopping.request()
    assert stopping.requested
    assert stopping.left_s == 20.0
    clock["now"] += 15
    assert stopping.left_s == 5.0
    clock["now"] += 15
    assert stopping.left_s == 0.0


def test_asked_twice_there_is_none(clock: dict[str, float]) -> None:
    stopping = Stopping(20.0)
    stopping.request()
    stopping.request()
    assert stopping.left_s == 0.0


def test_waiting_ends_in_time_or_at_once() -> None:
    stopping = Stopping(20.0)
    assert stopping.wait(0.01) is False
    timer = Timer(0.05, stopping.request)
    timer.start()
    started = monotonic()
    assert stopping.wait(30.0) is True
    assert monotonic() - started < 10
    assert stopping.wait(30.0) is True
    timer.join()
