from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Timer
from typing import TypeAlias

import pytest
import redis

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

GROUPS = {"billing", "stock", "mail", "statistics", "board"}
OUTAGE = (
    "Redis is frozen",
    "the circuit is open",
    "Redis is killed",
    "Redis is started again",
    "the circuit is closed",
    "the outbox is empty again",
)
LINE = re.compile(r"^  (\w+) +(\d+) = +(\d+) \+ +(\d+) \+ +(\d+)$", re.MULTILINE)


Start: TypeAlias = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts demos, with next to nothing in their environment; none is left after the test."""
    with ExitStack() as stack:

        def demo(*arguments: str, **env: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "demo", "--port", "0", *arguments],
                env={"TMPDIR": str(tmp_path), **env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            # Who waits for a line that never comes gets an end instead.
            too_long = Timer(100, process.kill)
            too_long.start()
            stack.callback(too_long.cancel)
            return process

        yield demo


def wait_for(demo: subprocess.Popen[str], beginning: str) -> None:
    """Read what it says up to a line that begins so."""
    said = []
    for line in demo.stdout or ():
        said.append(line)
        if line.startswith(beginning):
            return
    raise AssertionError("".join(said))


def number(said: str, name: str) -> int:
    return int(re.search(rf"^  {name} +(\d+) ", said, re.MULTILINE)[1])  # type: ignore[index]


def relatives(directory: Path) -> list[str]:
    """Every process that still has this directory in its environment: web server, consumer, embedded server."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(directory) in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it has ended, or is somebody else's
    return found


def test_once_reconciles_and_leaves_nothing_behind(start: Start, tmp_path: Path) -> None:
    # Given a bounded run that is long enough for retries, for the poison and for an outage
    demo = start("--once")
    # When it has ended
    said, _ = demo.communicate(timeout=120)
    # Then all is accounted for
    assert demo.returncode == 0, said
    assert "It reconciles" in said
    saved = number(said, "saved")
    assert saved == number(said, "outbox") == number(said, "published") > 30
    assert "0 pending, 0 parked" in said
    assert saved > number(said, "relayed") > 10
    assert number(said, "rolled back") > 0
    assert number(said, "others") == 1
    assert number(said, "retried") > 0
    groups = {name: tuple(map(int, numbers)) for name, *numbers in LINE.findall(said)}
    assert {groups.pop(name) for name in GROUPS - {"mail"}} == {(saved + 1, saved, 0, 1)}
    # (one customer has no address: the order was placed, paid and shipped, and nobody could be written to)
    assert groups == {"mail": (saved + 1, saved - 3, 0, 4)}
    # And the console in the admin shows what was given up
    assert number(said, "console") == 5 + 3
    # And what was said in the chat has reached each of three clients, and so have the cards on the board
    assert number(said, "chat") > 5
    assert "lines in all by each of 3 clients" in said
    assert number(said, "heard") == number(said, "chat") + number(said, "arrived")
    assert number(said, "board") >= saved
    assert said.count("each once, in order") == 2, said
    assert "reported as missing" not in said
    # And Redis was away, while orders went on being placed, none of which waited for it for long
    told = [text for text in OUTAGE if text in said]
    assert sorted(told, key=said.index) == list(OUTAGE), said
    # (it was frozen for 2 seconds, and DEADLINE is a quarter of one)
    slowest_s = float(re.search(r"the slowest took (\S+) s", said)[1])  # type: ignore[index]
    assert slowest_s < 1.5, said
    # And what else happened could be followed
    assert "#5 created: PaymentGatewayTimeout" in said
    assert "#5 created: done at attempt 2" in said
    assert "a dead letter (undecodable)" in said
    assert "\x1b" not in said
    # And nothing is left
    assert list(tmp_path.glob("shop-*")) == []
    assert relatives(tmp_path) == []


def test_ctrl_c_ends_it_in_good_order(start: Start, tmp_path: Path) -> None:
    # Given an open shop
    data = tmp_path / "data"
    demo = start(SHOP_DATA_DIR=str(data))
    wait_for(demo, " 0:02")
    # When it is asked to stop
    demo.send_signal(signal.SIGINT)
    said, _ = demo.communicate(timeout=60)
    # Then it closes, and accounts for what there was
    assert demo.returncode == 0, said
    assert "It reconciles" in said
    assert relatives(tmp_path) == []
    assert (data / "shop.sqlite3").exists()


@pytest.mark.parametrize(("name", "command"), [("consumer", "consume_stream"), ("relay", "relay_outbox")])
def test_a_child_that_dies_ends_the_demo(start: Start, tmp_path: Path, name: str, command: str) -> None:
    # Given an open shop
    demo = start("--once", SHOP_DATA_DIR=str(tmp_path / "data"))
    wait_for(demo, " 0:01")
    # When one of its processes is killed
    (child,) = (p for p in Path("/proc").glob("[0-9]*") if runs(p, command, tmp_path))
    os.kill(int(child.name), signal.SIGKILL)
    said, _ = demo.communicate(timeout=60)
    # Then the demo says so, fails and takes everything with it
    assert demo.returncode == 1
    assert f"The {name} has ended (exit code -9)" in said
    assert relatives(tmp_path) == []


@pytest.mark.parametrize("state", ["frozen", "killed"])
def test_ctrl_c_does_not_leave_redis_away(start: Start, tmp_path: Path, state: str) -> None:
    # Given a shop whose Redis is away
    demo = start("--once", SHOP_DATA_DIR=str(tmp_path / "data"))
    wait_for(demo, f"       Redis is {state}")
    # When it is asked to stop
    demo.send_signal(signal.SIGINT)
    said, _ = demo.communicate(timeout=60)
    # Then Redis is back for the rest, and gone in the end
    assert demo.returncode == 0, said
    assert "Redis is started again" in said
    assert relatives(tmp_path) == []


def test_redis_killed_by_somebody_comes_back(start: Start, tmp_path: Path) -> None:
    # Given an open shop
    data = tmp_path / "data"
    demo = start(SHOP_DATA_DIR=str(data))
    wait_for(demo, " 0:02")
    # When somebody kills its Redis, as the demo itself proposes
    os.kill(int((data / "redis" / "server.pid").read_text()), signal.SIGKILL)
    wait_for(demo, "       Redis is started again")
    wait_for(demo, "       the outbox is empty again")
    demo.send_signal(signal.SIGINT)
    said, _ = demo.communicate(timeout=60)
    # Then nothing is missing
    assert demo.returncode == 0, said
    assert number(said, "relayed") > 0
    assert "It reconciles" in said


def test_an_event_that_is_lost_does_not_reconcile(start: Start, tmp_path: Path) -> None:
    # Given an open shop
    data = tmp_path / "data"
    demo = start(SHOP_DATA_DIR=str(data))
    wait_for(demo, " 0:02")
    # When an entry is taken out of the stream behind everybody's back
    where = json.loads((data / "redis" / "server.lock").read_text())["socket"]
    with redis.Redis(unix_socket_path=where) as client:
        client.xdel("shop:events:order", client.xrange("shop:events:order", count=1)[0][0])
    demo.send_signal(signal.SIGINT)
    said, _ = demo.communicate(timeout=60)
    # Then the account says which, and the demo fails
    assert demo.returncode == 1, said
    assert "saved, but not in the stream: #1 created" in said


def test_children_end_with_a_demo_that_is_killed(start: Start, tmp_path: Path) -> None:
    # Given an open shop
    demo = start(SHOP_DATA_DIR=str(tmp_path / "data"))
    wait_for(demo, " 0:01")
    # When the demo is killed, and has no time for its children
    demo.kill()
    demo.communicate(timeout=60)
    # Then they notice, and take the server with them
    deadline = time.monotonic() + 30
    while (left := relatives(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def test_a_second_run_counts_anew(start: Start, tmp_path: Path) -> None:
    for _ in range(2):
        # Given a shop, the second time with the events of the first
        demo = start("--once", "--seconds", "3", SHOP_DATA_DIR=str(tmp_path / "data"))
        said, _ = demo.communicate(timeout=120)
        # Then no group has handled more than was added in this run
        assert demo.returncode == 0, said
        lines = re.findall(
            r"^ 0:0\d +\d+ +- +(\d+) +(\d+)(?: ~\d+)? +(\d+) +(\d+) +(\d+) +(\d+) +\d+  ", said, re.MULTILINE
        )
        assert lines, said
        assert all(int(handled) <= int(added) for added, *groups in lines for handled in groups), said
        assert int(lines[-1][1]) > 0, said


def runs(process: Path, command: str, directory: Path) -> bool:
    try:
        here = os.fsencode(directory) in (process / "environ").read_bytes()
        return here and command.encode() in (process / "cmdline").read_bytes()
    except OSError:
        return False
