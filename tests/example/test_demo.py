from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

GROUPS = {"billing", "stock", "mail", "statistics"}
LINE = re.compile(r"^  (\w+) +(\d+) = +(\d+) \+ +(\d+) \+ +(\d+)$", re.MULTILINE)


def start(directory: Path, *arguments: str, **env: str) -> subprocess.Popen[str]:
    """Start the demo with next to nothing in its environment."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "demo", "--port", "0", *arguments],
        env={"TMPDIR": str(directory), **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


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


def test_once_reconciles_and_leaves_nothing_behind(tmp_path: Path) -> None:
    # Given a bounded run that is long enough for retries and for the poison
    demo = start(tmp_path, "--once", "--seconds", "6")
    # When it has ended
    said, _ = demo.communicate(timeout=120)
    # Then all is accounted for
    assert demo.returncode == 0, said
    assert "It reconciles" in said
    saved = number(said, "saved")
    assert saved == number(said, "published") > 10
    assert number(said, "others") == 1
    assert number(said, "retried") > 0
    groups = {name: tuple(map(int, numbers)) for name, *numbers in LINE.findall(said)}
    assert groups == dict.fromkeys(GROUPS, (saved + 1, saved, 0, 1))
    # And what happened could be followed
    assert "#5 created: PaymentGatewayTimeout" in said
    assert "#5 created: done at attempt 2" in said
    assert "a dead letter (undecodable)" in said
    assert "\x1b" not in said
    # And nothing is left
    assert list(tmp_path.glob("shop-*")) == []
    assert relatives(tmp_path) == []


def test_ctrl_c_ends_it_in_good_order(tmp_path: Path) -> None:
    # Given an open shop
    data = tmp_path / "data"
    demo = start(tmp_path, SHOP_DATA_DIR=str(data))
    assert demo.stdout is not None
    for line in demo.stdout:
        if line.startswith(" 0:02"):
            break
    # When it is asked to stop
    demo.send_signal(signal.SIGINT)
    said, _ = demo.communicate(timeout=60)
    # Then it closes, and accounts for what there was
    assert demo.returncode == 0, said
    assert "It reconciles" in said
    assert relatives(tmp_path) == []
    assert (data / "shop.sqlite3").exists()


def test_a_consumer_that_dies_ends_the_demo(tmp_path: Path) -> None:
    # Given an open shop
    demo = start(tmp_path, "--once", SHOP_DATA_DIR=str(tmp_path / "data"))
    assert demo.stdout is not None
    for line in demo.stdout:
        if line.startswith(" 0:01"):
            break
    # When its consumer is killed
    (consumer,) = (p for p in Path("/proc").glob("[0-9]*") if is_consumer_of(p, tmp_path))
    os.kill(int(consumer.name), signal.SIGKILL)
    said, _ = demo.communicate(timeout=60)
    # Then the demo says so, fails and takes everything with it
    assert demo.returncode == 1
    assert "The consumer has ended (exit code -9)" in said
    assert relatives(tmp_path) == []


def test_children_end_with_a_demo_that_is_killed(tmp_path: Path) -> None:
    # Given an open shop
    demo = start(tmp_path, SHOP_DATA_DIR=str(tmp_path / "data"))
    assert demo.stdout is not None
    for line in demo.stdout:
        if line.startswith(" 0:01"):
            break
    # When the demo is killed, and has no time for its children
    demo.kill()
    demo.communicate(timeout=60)
    # Then they notice, and take the server with them
    deadline = time.monotonic() + 30
    while (left := relatives(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def test_a_second_run_counts_anew(tmp_path: Path) -> None:
    for _ in range(2):
        # Given a shop, the second time with the events of the first
        demo = start(tmp_path, "--once", "--seconds", "3", SHOP_DATA_DIR=str(tmp_path / "data"))
        said, _ = demo.communicate(timeout=120)
        # Then no group has handled more than was added in this run
        assert demo.returncode == 0, said
        lines = re.findall(r"^ 0:0\d +\d+ +(\d+) +(\d+)(?: ~\d+)? +(\d+) +(\d+) +(\d+)  ", said, re.MULTILINE)
        assert lines, said
        assert all(int(handled) <= int(added) for added, *groups in lines for handled in groups), said
        assert int(lines[-1][1]) > 0, said


def is_consumer_of(process: Path, directory: Path) -> bool:
    try:
        here = os.fsencode(directory) in (process / "environ").read_bytes()
        return here and b"consume_stream" in (process / "cmdline").read_bytes()
    except OSError:
        return False
