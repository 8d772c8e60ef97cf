"""Who started them is gone: consumers stop by themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.fleet import Fleet, wait_for

pytestmark = pytest.mark.slow


def test_it_does_not_run_on_as_an_orphan(fleet: Fleet) -> None:
    # Given a process that believes to be supervised by one that is no more
    consumer = fleet.start(environment={"DJANGO_REDIS_BUS_SUPERVISOR": str(os.getpid() + 1)})

    assert consumer.end() == 0


@pytest.mark.parametrize("arguments", [["--processes", "2"], ["--reload"]])
def test_when_the_parent_is_killed_its_processes_end(fleet: Fleet, arguments: list[str]) -> None:
    parent = fleet.start(*arguments).ready()
    pids = wait_for(parent.children)

    parent.kill()

    wait_for(lambda: not any(is_running(pid) for pid in pids))
    assert fleet.client.hgetall(fleet.keys().consumers) == {}


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
