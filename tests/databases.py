"""PostgreSQL and MariaDB for the suite: real servers, started by it when a test needs one, ended with it.

A test that names the fixture `database` runs once on each: SQLite, PostgreSQL, MariaDB. Its value is the alias:

    def test_order(database: str) -> None:                # all that is written is rolled back afterwards
        Order.objects.using(database).create()

    @pytest.mark.databases(transaction=True)              # committed: threads and other processes see it; flushed
    @pytest.mark.databases("postgresql", "mariadb")       # only there ("default" is SQLite)
    @pytest.mark.databases(also=["default"])              # further aliases that this test may use

One marker takes all of them together, and it may stand on a module: pytestmark = pytest.mark.databases(…). It takes
the place of django_db. Outside such a test the aliases "postgresql" and "mariadb" do not exist, so code that goes
through all aliases finds "default", "other", and that of the test. `process_env` tells them to a manage.py process;
process_env(default_database=database) makes the test's database the default one there.

A test that hurts a database has one of its own, migrated, with real commits and nothing to clean up:

    def test_crash(own_database: Callable[..., DatabaseServer]) -> None:
        own = own_database("mariadb")                     # or "postgresql"
        Order.objects.using(own.alias).create()
        own.kill(); own.start()                           # kill -9. Also: freeze, thaw, stop, restart

Both work in async tests; there `database` needs transaction=True, for the ORM then runs in another thread.

The servers listen on unix sockets in directories of their own. They do not wait for the disk: what is committed
survives kill -9 of a server, not a power cut. own_database(…, fsync=True) does.

To use running servers instead: BUS_TEST_POSTGRES_DSN=postgresql://user:password@host:port/ and
BUS_TEST_MARIADB_DSN=mysql://user:password@host:port/ (or …@/?host=/path/of/the/socket).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.database_servers import DatabaseServer
from tests.mariadb import MariaDB
from tests.postgresql import PostgreSQL

SERVERS: dict[str, type[DatabaseServer]] = {"postgresql": PostgreSQL, "mariadb": MariaDB}
DSNS = {
    "postgresql": ("BUS_TEST_POSTGRES_DSN", "postgresql", "django.db.backends.postgresql"),
    "mariadb": ("BUS_TEST_MARIADB_DSN", "mysql", "django.db.backends.mysql"),
}
IDS = {"default": "sqlite"}
NUMBERS = count(1)


class Lacking(LookupError):
    """What a kind of database needs and is not here; its text names it."""


class Databases:
    """The databases of this process, made when a test first needs them; close() ends the servers."""

    def __init__(self) -> None:
        self._settings: dict[str, dict[str, Any]] = {}
        self._stack = ExitStack()

    @contextmanager
    def visible(self, aliases: Collection[str]) -> Iterator[None]:
        """Have these aliases, with a migrated test database each, beside those of the settings."""
        from django.db import connections

        with ExitStack() as stack:
            for alias in aliases:
                if alias in SERVERS:
                    stack.enter_context(shown(alias, self._settings.get(alias) or self._make(alias)))
                elif connections.settings[alias]["NAME"] != connections.settings[alias]["TEST"]["NAME"]:
                    migrate(alias)  # pytest-django makes those only that it sees named
            yield

    def close(self) -> None:
        self._stack.close()

    def _make(self, alias: str) -> dict[str, Any]:
        settings = from_dsn(alias)
        if settings is None:
            server = own(alias, alias=alias)
            self._stack.callback(server.close)
            settings = server.start().settings
        with shown(alias, settings):
            created = migrate(alias)
        if from_dsn(alias) is not None:
            self._stack.callback(drop, alias, settings, created)
        self._settings[alias] = settings
        return settings


def own(kind: str, *, alias: str = "", **options: Any) -> DatabaseServer:
    """A server of that kind, "postgresql" or "mariadb", not yet started. Raises Lacking."""
    server = SERVERS[kind]
    # Never the same twice: a thread that lives on, such as that of sync_to_async, keeps its connection by the alias.
    alias = alias or f"own{next(NUMBERS)}"
    if find_spec(server.package) is None:
        raise Lacking(f"The Python package {server.package}")
    if server.programs() is None:
        raise Lacking(server.kind)
    return server(alias, **options)


def from_dsn(kind: str) -> dict[str, Any] | None:
    """As in DATABASES, for the running server that the environment names; None if it names none."""
    variable, scheme, engine = DSNS[kind]
    dsn = os.environ.get(variable)
    if not dsn:
        return None
    parts = urlsplit(dsn)
    if parts.scheme not in (scheme, kind):
        raise ValueError(f"{variable} starts with {parts.scheme}://, it has to start with {scheme}://")
    return {
        "ENGINE": engine,
        "NAME": "not-the-test-database",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": dict(parse_qsl(parts.query)).get("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        # Others may use that server at the same time.
        "TEST": {"NAME": f"test_bus_{uuid.uuid4().hex[:12]}"},
    }


@contextmanager
def shown(alias: str, settings: dict[str, Any]) -> Iterator[None]:
    """Have this alias while the context lasts."""
    from django.db import connections

    if settings["ENGINE"] == "django.db.backends.mysql":
        from tests import mysqldb

        mysqldb.install()
    settings.setdefault("TEST", {"NAME": "bus"})
    # The same dictionary as settings.DATABASES. configure_settings fills in what is not given.
    connections.settings[alias] = settings
    connections.configure_settings(connections.settings)
    try:
        yield
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.settings[alias]


def migrate(alias: str) -> Any:
    """Create the test database of an alias, and its tables."""
    from django.db import connections
    from django.test.utils import setup_databases

    connections.settings[alias]["TEST"]["DEPENDENCIES"] = []
    return setup_databases(verbosity=0, interactive=False, aliases=[alias], serialized_aliases=[])


def migrate_aside(alias: str) -> None:
    """The same from a thread of its own, so that an async test may ask for it too."""
    from django.db import connections

    def work() -> None:
        migrate(alias)
        connections[alias].close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def drop(alias: str, settings: dict[str, Any], created: Any) -> None:
    """Drop the test database of an alias."""
    from django.test.utils import teardown_databases

    with shown(alias, settings):
        teardown_databases(created, verbosity=0)
