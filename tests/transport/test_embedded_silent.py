"""embedded://: a server that lives and does not answer."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from django_redis_bus.core.exceptions import Unavailable
from django_redis_bus.transport import embedded, server_process


def test_one_that_runs_but_never_answers_is_an_error_not_a_second_server(
    directory: Path, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = int(connect(embedded.start(directory)).info("server")["process_id"])
    monkeypatch.setattr(embedded, "SILENT_TIMEOUT_S", 0.2)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(Unavailable) as caught:
            embedded.start(directory)
    finally:
        os.kill(pid, signal.SIGCONT)

    assert str(caught.value).startswith(f"The embedded server (pid {pid}) does not answer; is it stopped?")
    assert "server.log" not in str(caught.value)


def test_one_that_loads_is_waited_for_as_it_says_so(
    directory: Path, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a server that says for a while that it is loading
    socket_path = Path(embedded.start(directory).removeprefix("unix://"))
    connect(f"unix://{socket_path}")
    answers = [b"-LOADING Redis is loading the dataset in memory\r\n"] * 20 + [b"+PONG\r\n"]
    monkeypatch.setattr(server_process, "_ask", lambda *_: answers.pop(0))

    assert server_process.wait_until_ready(directory, socket_path, 0.02)

    # And one that loads for longer than it may
    answers += [b"-LOADING x\r\n"] * 1_000
    monkeypatch.setattr(server_process, "START_TIMEOUT_S", 0.1)
    with pytest.raises(Unavailable, match=r"\(pid \d+\) in .* is not ready: -LOADING x$"):
        server_process.wait_until_ready(directory, socket_path, 60)
