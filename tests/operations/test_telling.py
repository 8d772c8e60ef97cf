"""What operators have done, in the log."""

from __future__ import annotations

import logging

import pytest

from django_redis_bus.operations.telling import outcome, tell
from django_redis_bus.operations.values import Acted


def test_who_what_and_how_many(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "django_redis_bus.operations")
    acted = Acted(done=1200, left_alone={"running": 2, "gone": 1}, more=True)

    tell("ann", "redrive", "events:order", acted)
    tell("ann\n", "re\x1b[31mdrive %s", "x" * 5000, "it failed\r\n")

    first, second = [record.getMessage() for record in caplog.records]
    assert first == (
        "redrive by ann on events:order: 1,200 done, 1 left alone (gone), 2 left alone (running), there are more"
    )
    assert second == f"re�[31mdrive %s by ann� on {'x' * 1000}: it failed��"
    assert outcome(Acted()) == "0 done"
