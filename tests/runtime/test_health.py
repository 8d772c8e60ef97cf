from __future__ import annotations

import logging

import pytest

from django_redis_bus.runtime.health import LONGEST_WAIT_S, Health
from django_redis_bus.runtime.stopping import Stopping


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "django_redis_bus.consumer")
    return caplog


def test_one_line_when_it_begins_and_one_when_it_is_over(lines: pytest.LogCaptureFixture) -> None:
    # Given two loops that meet the same outage many times
    health = Health()
    for _ in range(5):
        health.trouble("a", ConnectionError("refused"), 0.0)
        health.trouble("b", ConnectionError("refused"), 0.0)
    health.fine("a")
    # Then it is over when it is over for both
    assert [record.levelname for record in lines.records] == ["ERROR"]
    assert "refused" in lines.records[0].getMessage()
    health.fine("b")
    health.fine("b")
    assert [record.levelname for record in lines.records] == ["ERROR", "WARNING"]
    # And the next one is told anew
    health.trouble("a", ConnectionError("again"), 0.0)
    assert len(lines.records) == 3


def test_the_wait_grows_to_its_limit_and_starts_anew() -> None:
    health = Health()
    waits = [health.trouble("a", ConnectionError(), 0.0) for _ in range(2_000)]
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert waits[-1] == LONGEST_WAIT_S
    assert health.trouble("b", ConnectionError(), 0.0) == 0.1
    health.fine("a")
    assert health.trouble("a", ConnectionError(), 0.0) == 0.1


def test_it_is_never_a_hot_loop() -> None:
    assert Health().trouble("a", ConnectionError(), 0.999) > 0.04


def test_each_knows_of_itself() -> None:
    health = Health()
    health.trouble("a", ConnectionError(), 0.0)
    assert health.is_ill("a")
    assert not health.is_ill("b")
    health.fine("a")
    assert not health.is_ill("a")


def test_connections_that_are_cut_while_stopping_are_no_outage(lines: pytest.LogCaptureFixture) -> None:
    stopping = Stopping(10.0)
    health = Health(stopping)
    stopping.request()
    health.trouble("a", ConnectionError("closed"), 0.0)
    health.fine("a")
    assert not lines.records
