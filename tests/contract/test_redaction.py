"""What Redis and the log keep of a failure shows no value that is redacted; a dead letter keeps the entry whole."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from django_redis_bus import Event, Retry
from tests.contract.consuming import TOPIC, Contract

SECRET = "ann@example.com"


@dataclass
class Login:
    email: str
    id: int = 7


def refuse(event: Event[Login]) -> None:
    raise ValueError(f"{event.data.email} is unknown ({event})")


@pytest.fixture(params=["in code", "in settings"])
def told(request: pytest.FixtureRequest, configure: Callable[..., None]) -> dict[str, Any]:
    """How the stream is declared."""
    if request.param == "in code":
        return {"redact": ["email"]}
    configure(STREAMS={TOPIC: {"REDACT": ["email"]}})
    return {}


def test_of_a_retry(contract: Contract, told: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    stream = contract.stream(payload=Login, **told)
    stream.handler(group="g", retry=Retry(backoff_s=60))(refuse)
    contract.publish(stream, Login(SECRET))
    contract.burst()

    [noted] = contract.client.hvals(contract.keys().failures)
    assert b"ValueError: [redacted] is unknown (Event(" in noted
    assert b"data=<Login>" in noted
    assert SECRET.encode() not in noted
    assert "[redacted] is unknown" in caplog.text
    assert SECRET not in caplog.text


def test_of_a_dead_letter(contract: Contract, told: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    stream = contract.stream(payload=Login, **told)
    stream.handler(group="g", retry=Retry(max_attempts=1))(refuse)
    contract.publish(stream, Login(SECRET))
    caplog.set_level(logging.DEBUG)
    contract.burst()

    [dead] = contract.dead()
    said = dead[b"dead_error"] + dead[b"dead_traceback"]
    assert said.count(b"[redacted] is unknown") == 2
    assert SECRET.encode() not in said
    assert SECRET not in caplog.text
    # And the entry is as it was, to be sent again
    assert SECRET.encode() in dead[b"data"]
