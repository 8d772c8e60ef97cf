from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.database_servers import DatabaseServer
from tests.databases import migrate, shown
from tests.faults.fleet import Fleet
from tests.faults.outbox_shop import OPTIONS, Shop
from tests.servers import Server


@pytest.fixture
def fleet_of(prefix: str, process_env: Callable[..., dict[str, str]], tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    """A factory of consumer processes on a server: fleet_of(server, topic="events:work")."""
    made: list[Fleet] = []

    def make(server: Server, topic: str = "events:work") -> Fleet:
        made.append(Fleet(server, prefix, topic, process_env, tmp_path))
        return made[-1]

    yield make
    for fleet in made:
        fleet.close()


@pytest.fixture
def fleet(server: Server, fleet_of: Callable[..., Fleet]) -> Fleet:
    """Consumer processes on the shared server, for tests that hurt only the consumers."""
    return fleet_of(server)


@pytest.fixture
def own_sqlite(django_db_setup: None, django_db_blocker: Any, tmp_path: Path) -> Iterator[str]:
    """The alias of a SQLite database of this test's own, migrated."""
    settings = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "not-the-test-database",
        # As of the other databases: it does not wait for the disk, and what is committed survives kill -9.
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA synchronous=OFF"},
        "TEST": {"NAME": str(tmp_path / "own.sqlite3")},
    }
    with django_db_blocker.unblock(), shown("own", settings):
        migrate("own")
        yield "own"


@pytest.fixture
def shop_on(
    own_server: Callable[..., Server],
    bus_settings: Callable[..., None],
    process_env: Callable[..., dict[str, str]],
    prefix: str,
    tmp_path: Path,
) -> Iterator[Callable[..., Shop]]:
    """A factory of shops on a database, with a Redis that forgets nothing when it is killed."""
    made: list[Shop] = []

    def make(alias: str, database: DatabaseServer | None = None) -> Shop:
        server = own_server(args=("--appendfsync", "always"))
        bus_settings(LOCATION=server.url, OUTBOX={"fast_path": False}, **OPTIONS)
        made.append(Shop(server, alias, database, env=process_env, prefix=prefix, directory=tmp_path))
        return made[-1]

    yield make
    for shop in made:
        shop.close()


@pytest.fixture
def shop(database: str, shop_on: Callable[..., Shop]) -> Iterator[Shop]:
    """A shop on each of the databases that tests share."""
    made = shop_on(database)
    yield made
    made.close()
    made.forget()


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def own_shop(request: pytest.FixtureRequest, shop_on: Callable[..., Shop]) -> Shop:
    """A shop on a database of its own, which may be killed if it has a server."""
    if request.param == "sqlite":
        return shop_on(request.getfixturevalue("own_sqlite"))
    database = request.getfixturevalue("own_database")(request.param)
    return shop_on(database.alias, database)
