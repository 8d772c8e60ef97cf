"""embedded://: one server per directory, shared by processes, gone with the last of them."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from django_redis_bus.transport import embedded, server_process

# A process that uses the embedded server until its stdin closes.
USER = """
import sys
from pathlib import Path
from django_redis_bus.transport import embedded
print(embedded.start(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def user(directory: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start another process that uses the server in `directory`."""
    made: list[subprocess.Popen[str]] = []

    def make() -> subprocess.Popen[str]:
        made.append(
            subprocess.Popen(
                [sys.executable, "-c", USER, str(directory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return made[-1]

    yield make
    for process in made:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def leave(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=20)
    assert process.returncode == 0


def pid_of(client: redis.Redis) -> int:
    info: Any = client.info("server")
    return int(info["process_id"])


def is_running(directory: Path) -> bool:
    return server_process.running(directory) is not None


def eventually(true: Callable[[], bool], within_s: float = 10) -> bool:
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_missing_directory_is_made_and_a_server_answers(directory: Path, connect: Any) -> None:
    url = embedded.start(directory)

    assert url.startswith("unix:///")
    assert connect(url).ping()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_it_listens_on_no_port_and_keeps_an_append_only_file(directory: Path, connect: Any) -> None:
    client = connect(embedded.start(directory))

    assert client.info("server")["tcp_port"] == 0
    assert client.info("persistence")["aof_enabled"] == 1


def test_starting_twice_in_one_process_gives_the_same_server(directory: Path, connect: Any) -> None:
    first = embedded.start(directory)
    pid = pid_of(connect(first))

    assert embedded.start(directory) == first
    assert pid_of(connect(first)) == pid


def test_a_link_to_the_directory_leads_to_the_same_server(directory: Path, tmp_path: Path) -> None:
    url = embedded.start(directory)
    (tmp_path / "link").symlink_to(directory)

    assert embedded.start(tmp_path / "link") == url


def test_two_processes_share_one_server(directory: Path, user: Any, connect: Any) -> None:
    url = said(user())

    assert embedded.start(directory) == url
    connect(url).set("k", "ours")
    assert said(user()) == url
    assert connect(url).get("k") == b"ours"


def test_processes_that_start_at_the_same_moment_share_one_server(directory: Path, user: Any, connect: Any) -> None:
    processes = [user() for _ in range(5)]

    urls = {said(process) for process in processes}

    assert len(urls) == 1
    # One start in the log: nobody lost a race and had a server of its own that gave up.
    assert (directory / "server.log").read_text().count("Running mode=standalone") == 1


def test_only_the_last_one_out_stops_it(directory: Path, user: Any, connect: Any) -> None:
    first, second = user(), user()
    client = connect(said(first))
    said(second)

    leave(first)
    assert client.ping()
    leave(second)

    assert not is_running(directory)


def test_the_starter_may_leave_first_by_release(directory: Path, user: Any, connect: Any) -> None:
    client = connect(embedded.start(directory))
    other = user()
    said(other)

    embedded.release(directory)
    assert client.ping()
    leave(other)

    assert not is_running(directory)


def test_events_survive_the_last_one_out(directory: Path, connect: Any) -> None:
    connect(embedded.start(directory)).xadd("events", {"n": "1"})
    embedded.release(directory)
    assert not is_running(directory)

    again = connect(embedded.start(directory))

    assert again.xlen("events") == 1


def test_a_server_that_was_killed_starts_anew_with_its_events(directory: Path, connect: Any) -> None:
    client = connect(embedded.start(directory))
    client.xadd("events", {"n": "1"})
    pid = pid_of(client)
    os.kill(pid, signal.SIGKILL)

    again = connect(embedded.start(directory))

    assert pid_of(again) != pid
    assert again.xlen("events") == 1


def test_after_kill_9_of_every_user_the_next_one_adopts_the_server(directory: Path, user: Any, connect: Any) -> None:
    first = user()
    url = said(first)
    pid = pid_of(connect(url))
    first.kill()
    first.wait()

    assert embedded.start(directory) == url
    assert pid_of(connect(url)) == pid

    embedded.release(directory)
    assert not is_running(directory)


def test_a_user_killed_in_the_middle_of_a_start_blocks_nobody(directory: Path, user: Any) -> None:
    for delay_s in (0.05, 0.1, 0.15):
        process = user()
        time.sleep(delay_s)
        process.kill()

    assert embedded.start(directory).startswith("unix://")


def test_a_server_that_is_only_slow_to_answer_is_waited_for(directory: Path, connect: Any, user: Any) -> None:
    client = connect(embedded.start(directory))
    pid = pid_of(client)
    os.kill(pid, signal.SIGSTOP)
    try:
        process = user()
        time.sleep(0.5)
    finally:
        os.kill(pid, signal.SIGCONT)

    assert pid_of(connect(said(process))) == pid


def test_a_child_that_ends_leaves_its_parents_server_alone(directory: Path, connect: Any) -> None:
    client = connect(embedded.start(directory))

    child = os.fork()
    if child == 0:
        embedded.release()  # what its exit would do
        os._exit(0)
    os.waitpid(child, 0)

    assert client.ping()


def test_a_child_keeps_the_server_when_its_parent_leaves(directory: Path, connect: Any) -> None:
    client = connect(embedded.start(directory))
    read_fd, write_fd = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write_fd)
        os.read(read_fd, 1)  # until the parent closes its end
        embedded.release()
        os._exit(0)
    os.close(read_fd)

    embedded.release(directory)
    alive = client.ping()
    os.close(write_fd)
    os.waitpid(child, 0)

    assert alive
    assert not is_running(directory)


def test_it_is_no_child_of_its_starter_and_in_another_session(directory: Path, connect: Any) -> None:
    pid = pid_of(connect(embedded.start(directory)))

    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    assert os.getsid(pid) != os.getsid(0)


def test_it_holds_no_pipe_of_its_starter(directory: Path, user: Any) -> None:
    process = user()
    said(process)
    process.kill()

    # Would wait for ever if the server had inherited stdout.
    process.communicate(timeout=10)

    assert is_running(directory)


def test_a_directory_that_was_removed_does_not_leave_the_server_behind(directory: Path, connect: Any) -> None:
    client = connect(embedded.start(directory))
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    directory.rmdir()

    embedded.release(directory)

    assert eventually(lambda: has_ended(client))


def has_ended(client: redis.Redis) -> bool:
    try:
        return not client.ping()
    except redis.ConnectionError:
        return True


def test_processes_with_different_tmpdirs_still_meet(
    directory: Path, user: Any, monkeypatch: pytest.MonkeyPatch, short_dir: Path
) -> None:
    url = said(user())
    monkeypatch.setattr("tempfile.tempdir", str(short_dir))

    assert embedded.start(directory) == url
