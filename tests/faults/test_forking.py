"""Processes that the suite forks are what it would have started."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.fleet import Command, wait_for
from tests.faults.forking import Forked, can_fork

SHOW = """
import json, os, signal, sys, threading
from django.conf import settings
fds = [fd for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd)]
handlers = [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
bus = settings.REDIS_BUS["default"]["KEY_PREFIX"]
print([sys.argv[1], bus, handlers, threading.active_count(), sys.stdin.read(), os.getcwd(), sys.warnoptions, fds])
"""


@pytest.fixture
def shell(process_env: Callable[..., dict[str, str]], tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """A factory of processes that run a piece of code: shell(code, **environment) -> Command."""
    made: list[Command] = []

    def make(code: str, **environment: str) -> Command:
        made.append(Command(["shell", "-c", code], process_env(**environment), tmp_path / f"out-{len(made)}"))
        return made[-1]

    yield make
    for command in made:
        command.kill()


def test_a_forked_process_finds_what_a_started_one_finds(
    shell: Callable[..., Command], process_env: Callable[..., dict[str, str]]
) -> None:
    forked = shell(SHOW, BUS_TEST_PREFIX="this")
    started = subprocess.run(
        [sys.executable, "-m", "django", "shell", "-c", SHOW],
        env=process_env(BUS_TEST_PREFIX="this"),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
        # A suite that runs in the background may have been told to ignore Ctrl-C, which is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip

    assert forked.end() == 0, forked.output
    assert isinstance(forked.process, Forked)
    assert forked.output.splitlines()[-1] == started.stdout.splitlines()[-1]


def test_no_two_have_the_same_chance(shell: Callable[..., Command]) -> None:
    two = [shell("import random; print(random.random())") for _ in range(2)]

    assert [command.end() for command in two] == [0, 0]
    assert len({command.output.splitlines()[-1] for command in two}) == 2


@pytest.mark.parametrize(
    ("code", "expected"), [("import sys; sys.exit(3)", 3), ("raise ValueError", 1), ("import os; os.abort()", -6)]
)
def test_its_exit_code_is_told(shell: Callable[..., Command], code: str, expected: int) -> None:
    assert shell(code).end() == expected


def test_it_is_ended_as_any_other(shell: Callable[..., Command]) -> None:
    commands = [shell("print('up'); import time; time.sleep(60)") for _ in range(2)]
    for command in commands:
        command.said("up")

    with pytest.raises(subprocess.TimeoutExpired):
        commands[0].end(0.01)
    commands[0].signal(signal.SIGSTOP)
    wait_for(commands[0].is_frozen)
    commands[0].kill()
    commands[1].signal(signal.SIGINT)

    assert [command.end() for command in commands] == [-signal.SIGKILL, -signal.SIGINT]
    commands[0].signal(signal.SIGTERM)  # as Popen, which does not mind


@pytest.mark.parametrize(
    ("arguments", "changes"), [(["consume_stream", "--reload"], {}), (["check"], {"PYTHONPATH": "/elsewhere"})]
)
def test_what_a_fork_would_get_wrong_is_started(
    process_env: Callable[..., dict[str, str]], arguments: list[str], changes: dict[str, Any]
) -> None:
    assert can_fork(["check"], process_env())
    assert not can_fork(arguments, process_env(**changes))
