"""Redis that does not answer, buses that are not there: the console says so, soon, and the admin goes on."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing

import pytest

from .conftest import Staff

PAGES = (
    ("overview", {}),
    ("streams", {}),
    ("stream", {"stream": "events:order"}),
    ("entries", {"stream": "events:order"}),
    ("entry", {"stream": "events:order", "id": "1-0"}),
    ("channels", {}),
    ("channel", {"channel": "news"}),
)
At = Callable[..., str]


@pytest.mark.parametrize(("name", "query"), PAGES)
def test_a_stopped_redis_is_said_with_the_reason_and_what_to_do(
    name: str, query: dict[str, str], staff: Staff, at: At, bus_settings: Callable[..., None]
) -> None:
    # Given nobody at the port
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bus_settings(LOCATION=f"redis://ada:s3cr3t@127.0.0.1:{port}/0")
    # When somebody looks at the bus
    answer = staff("see_bus").get(at(name, **query))
    # Then
    text = answer.content.decode()
    assert answer.status_code == 503
    assert "Redis cannot be asked" in text
    assert f"127.0.0.1:{port}" in text
    assert "Check that the server runs" in text
    assert "s3cr3t" not in text
    assert "Traceback" not in text
