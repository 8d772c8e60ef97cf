"""What bus_* commands print, where it cannot be printed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import get_commands, load_command_class

from tests.operations.ward import EVENT, Ward

COMMANDS = [
    ("bus_info",),
    ("bus_info", "events:order"),
    ("bus_info", "--json"),
    ("bus_dead", "list", "events:order"),
    ("bus_dead", "export", "events:order"),
    ("bus_pending", "list", "events:order", "billing"),
    ("bus_pause", "list"),
    ("bus_tail", "events:order", "--no-follow"),
    ("bus_trim", "events:order", "--count", "1", "--dry-run"),
    ("bus_replay", "events:order", "billing", "--status"),
    ("bus_publishers",),
    ("bus_audit",),
]
SOME = [("bus_info",), ("bus_dead", "export", "events:order"), ("bus_tail", "events:order", "--no-follow")]


@pytest.fixture
def call(
    bus_settings: Callable[..., None],
    redis_client: redis.Redis,
    prefix: str,
    process_env: Callable[..., dict[str, str]],
) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """A command of its own process, about a stream that speaks of euros."""
    ward = Ward(redis_client, prefix)
    ward.waiting(3, error="ValueError: 5 \u20ac \U0001f600", data='{"price":"5 \u20ac"}', ce_partitionkey="\u20ac")
    ward.letter("1-1", EVENT | {"data": '"\u20ac"'}, error="ValueError: 5 \u20ac")
    env = process_env(PYTHONIOENCODING="ascii", LC_ALL="C")
    del env["PYTHONUNBUFFERED"]  # what is printed is in a buffer, as for everybody

    def make(*command: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "django", *command], env=env, stderr=subprocess.PIPE, timeout=60, check=False,
            **options,
        )  # fmt: skip

    return make


def test_every_command_sees_to_it() -> None:
    known = [name for name, app in get_commands().items() if app == "django_redis_bus" and name.startswith("bus_")]

    assert {command[0] for command in COMMANDS} == set(known)
    for each in known:
        assert hasattr(load_command_class("django_redis_bus", each).handle, "__wrapped__"), each


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_output_of_ascii(call: Callable[..., Any], command: tuple[str, ...]) -> None:
    done = call(*command, stdout=subprocess.PIPE)

    assert (done.stderr.count(b"Traceback"), done.returncode) == (0, 0)
    assert done.stdout.decode("ascii")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("command", SOME, ids=" ".join)
def test_a_full_disk(call: Callable[..., Any], command: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = call(*command, stdout=full)

    assert b"The output cannot be written: No space left on device." in done.stderr
    assert (done.stderr.count(b"Traceback"), done.returncode) == (0, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_pipe_that_nobody_reads(call: Callable[..., Any], command: tuple[str, ...]) -> None:
    reader = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)
    reader.wait(60)

    assert reader.stdin is not None
    with reader.stdin as pipe:
        done = call(*command, stdout=pipe)

    assert (done.stderr.count(b"Traceback"), done.stderr.count(b"BrokenPipe"), done.returncode) == (0, 0, 1)
