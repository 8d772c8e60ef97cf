"""The suite's databases: what tests of three databases rely on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from django.db import Error, connections
from django.test.testcases import DatabaseOperationForbidden

from tests.app.models import Customer
from tests.databases import DSNS, SERVERS, Databases, DatabaseServer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
KINDS = list(SERVERS)
Environment = Callable[..., dict[str, str]]

READ = "print([c.name for c in tests_app.Customer.objects.using({alias!r})], connections[{alias!r}].vendor)"
WRITE = "tests_app.Customer.objects.using({alias!r}).create(name='Bob')"
SHELL = "from django.db import connections; from tests.app import models as tests_app; "
WITHOUT = """
import sys
sys.modules["psycopg"] = None  # as if it were not installed
import pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:randomly", sys.argv[1]]))
"""
HOLDER = """
import sys
from tests.databases import own
server = own(sys.argv[1]).start()
print(server.pid, server.directory, flush=True)
sys.stdin.read()
"""


def shell(code: str, env: dict[str, str]) -> str:
    command = [sys.executable, "manage.py", "shell", "-c", SHELL + code]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1] if done.stdout else ""


def names_in(alias: str) -> list[str]:
    return list(Customer.objects.using(alias).values_list("name", flat=True))


def rows_of(server: DatabaseServer, on_postgresql: str, on_mariadb: str) -> list[tuple[object, ...]]:
    with connections[server.alias].cursor() as cursor:
        cursor.execute(on_postgresql if server.kind == "PostgreSQL" else on_mariadb)
        return list(cursor.fetchall())


def databases_of(server: DatabaseServer) -> set[object]:
    return {name for (name,) in rows_of(server, "SELECT datname FROM pg_database", "SHOW DATABASES")}


# Twice, so that what one leaves behind the other finds.
@pytest.mark.parametrize("turn", [1, 2])
def test_rows_are_rolled_back(database: str, turn: int) -> None:
    assert not names_in(database)

    Customer.objects.using(database).create(name="Ada")

    assert connections[database].in_atomic_block


@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.databases(transaction=True)
def test_committed_rows_are_flushed(database: str, turn: int) -> None:
    assert not names_in(database)

    Customer.objects.using(database).create(name="Ada")

    assert not connections[database].in_atomic_block


@pytest.mark.databases("postgresql", "mariadb")
def test_a_test_has_the_databases_that_it_names_and_no_other(database: str) -> None:
    assert list(connections) == ["default", "other", database]
    with pytest.raises(DatabaseOperationForbidden):
        names_in("default")


def test_elsewhere_there_are_no_other_databases() -> None:
    assert list(connections) == ["default", "other"]


@pytest.mark.databases("postgresql", also=["default", "other", "mariadb"])
def test_a_test_may_have_more_databases(database: str) -> None:
    assert [names_in(alias) for alias in connections] == [[], [], [], []]
    assert [connections[alias].vendor for alias in connections] == ["sqlite", "sqlite", "postgresql", "mysql"]


@pytest.mark.databases("postgresql")
@pytest.mark.xfail(raises=pytest.UsageError, strict=True, reason="it would get the wrong transactions")
@pytest.mark.django_db
def test_the_other_marker_is_refused(database: str) -> None:
    pass


@pytest.mark.databases(transaction=True)
def test_rows_are_shared_with_other_processes(database: str, process_env: Environment) -> None:
    Customer.objects.using(database).create(name="Ada")

    shell(WRITE.format(alias=database), process_env())
    seen = shell(READ.format(alias="default"), process_env(default_database=database))

    assert names_in(database) == ["Ada", "Bob"]
    assert seen == f"['Ada', 'Bob'] {connections[database].vendor}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_database_keeps_what_was_committed(
    own_database: Callable[..., DatabaseServer], process_env: Environment, kind: str
) -> None:
    server = own_database(kind)
    Customer.objects.using(server.alias).create(name="Ada")
    connections[server.alias].set_autocommit(False)
    Customer.objects.using(server.alias).create(name="never committed")

    server.kill()

    assert not server.answers()
    with pytest.raises(Error):
        names_in(server.alias)
    connections[server.alias].close()
    server.start()
    assert names_in(server.alias) == ["Ada"]
    assert shell(READ.format(alias=server.alias), process_env()).startswith("['Ada'] ")


@pytest.mark.databases(transaction=True)
@pytest.mark.parametrize("turn", [1, 2])
async def test_an_async_test_uses_them_too(database: str, turn: int) -> None:
    assert not await Customer.objects.using(database).aexists()

    await Customer.objects.using(database).acreate(name="Ada")


@pytest.mark.parametrize("kind", KINDS)
async def test_an_async_test_has_a_database_of_its_own_too(
    own_database: Callable[..., DatabaseServer], kind: str
) -> None:
    server = own_database(kind)

    await Customer.objects.using(server.alias).acreate(name="Ada")

    assert await Customer.objects.using(server.alias).acount() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_database_keeps_connections_and_answers_nobody(
    own_database: Callable[..., DatabaseServer], kind: str
) -> None:
    server = own_database(kind)
    connected, frozen = Event(), Event()

    def read() -> list[str]:
        try:
            names_in(server.alias)
            connected.set()
            frozen.wait(10)
            return names_in(server.alias)
        finally:
            connections[server.alias].close()

    with ThreadPoolExecutor() as pool:
        reader = pool.submit(read)
        assert connected.wait(10)
        server.freeze()
        frozen.set()
        assert not server.answers()
        assert not reader.done()
        server.thaw()

        assert reader.result(10) == []
    assert server.answers()


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_database_can_be_killed_and_restarted(own_database: Callable[..., DatabaseServer], kind: str) -> None:
    server = own_database(kind, fsync=True)
    Customer.objects.using(server.alias).create(name="Ada")
    connections[server.alias].close()
    pid = server.pid

    server.freeze()
    server.kill()
    server.start()
    server.restart()

    assert server.pid != pid
    assert names_in(server.alias) == ["Ada"]
    # The options are those of before: each commit waits for the disk.
    [[synced]] = rows_of(server, "SHOW fsync", "SELECT @@innodb_flush_log_at_trx_commit")
    assert synced in ("on", 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_database_that_does_not_start_says_why(own_database: Callable[..., DatabaseServer], kind: str) -> None:
    with pytest.raises(RuntimeError, match=rf"{SERVERS[kind].kind} did not start:[\s\S]*nonsense"):
        own_database(kind, args=["--nonsense=1"])


@pytest.mark.parametrize(("ci", "kind_of_end"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_program_skips_at_home_and_fails_in_ci(
    own_database: Callable[..., DatabaseServer],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    ci: str,
    kind_of_end: type[BaseException],
) -> None:
    monkeypatch.setattr(SERVERS[kind], "programs", lambda: None)
    monkeypatch.setenv("CI", ci)

    with pytest.raises(kind_of_end, match=f"{SERVERS[kind].kind} is not installed"):
        own_database(kind)


@pytest.mark.parametrize(("ci", "said"), [("", "1 skipped"), ("true", "1 error")])
def test_a_missing_driver_ends_a_test_before_it_begins(ci: str, said: str) -> None:
    this = f"{__file__}::test_rows_are_rolled_back[postgresql-1]"

    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, this], cwd=ROOT, env=os.environ | {"CI": ci}, capture_output=True, text=True
    )

    assert said in done.stdout.splitlines()[-1]
    assert "The Python package psycopg is not installed" in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_running_server_is_used_instead(
    own_database: Callable[..., DatabaseServer], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    running = own_database(kind)
    variable, scheme, _ = DSNS[kind]
    monkeypatch.setenv(variable, f"{scheme}://{running.settings['USER']}@/?host={running.settings['HOST']}")
    monkeypatch.setattr(SERVERS[kind], "programs", lambda: None)
    before = databases_of(running)

    databases = Databases()
    with databases.visible([kind]):
        Customer.objects.using(kind).create(name="Ada")
        [made] = databases_of(running) - before
        assert made == connections[kind].settings_dict["NAME"]
    databases.close()

    assert databases_of(running) == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_database_does_not_outlive_a_suite_that_is_killed(kind: str) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, kind], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    pid, directory = holder.stdout.readline().split()
    os.kill(int(pid), 0)

    holder.kill()
    holder.communicate()

    deadline = time.monotonic() + 20
    while Path(directory).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(directory).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
