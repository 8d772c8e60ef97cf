"""The databases that are measured: a SQLite file, and servers of our own where they are installed."""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path
from typing import Any

from tests.database_servers import DatabaseServer
from tests.databases import Lacking, own

KINDS = {"SQLite": "sqlite", "PostgreSQL": "postgresql", "MariaDB": "mariadb"}


class Databases:
    """Makes databases that wait for the disk at each commit, as they do where data matter; close() ends the servers."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="bus-bench-")
        self._numbers = count()
        self._servers: dict[str, DatabaseServer] = {}

    def close(self) -> None:
        for server in self._servers.values():
            server.close()
        self._directory.cleanup()

    def lacking(self, name: str) -> str | None:
        """Return what has to be installed before there can be a database of that kind; None if it is there."""
        try:
            if name != "SQLite":
                own(KINDS[name], alias="default").close()
        except Lacking as error:
            return str(error)
        return None

    def settings(self, name: str) -> dict[str, Any]:
        """Return an entry of DATABASES: a new, empty database."""
        number = next(self._numbers)
        if name == "SQLite":
            return {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(Path(self._directory.name) / f"{number}.sqlite3"),
                # As one would have it in production; synchronous is as SQLite has it, FULL.
                "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=WAL"},
            }
        if name not in self._servers:
            self._servers[name] = own(KINDS[name], alias="default", fsync=True).start()
        settings = self._servers[name].settings | {"NAME": f"bench{number}"}
        statement = f"CREATE DATABASE {settings['NAME']}"
        if name == "MariaDB":
            import pymysql

            with pymysql.connect(unix_socket=settings["HOST"], user="root") as mariadb:
                mariadb.cursor().execute(statement)
        else:
            import psycopg

            with psycopg.connect(host=settings["HOST"], user="postgres", autocommit=True) as postgresql:
                postgresql.execute(statement)
        return settings
