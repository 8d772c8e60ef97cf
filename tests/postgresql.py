"""A PostgreSQL of the suite's own: see tests/databases.py."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
from pathlib import Path
from typing import Any

from tests.database_servers import LOCK_TIMEOUT_S, DatabaseServer, found


class PostgreSQL(DatabaseServer):
    kind = "PostgreSQL"
    package = "psycopg"
    stop_signal = signal.SIGINT  # SIGTERM would wait for the clients
    end_signal = signal.SIGQUIT  # SIGKILL would leave its shared memory behind

    @classmethod
    def programs(cls) -> dict[str, str] | None:
        # Never as root: it refuses. Debian's package makes that account.
        if os.geteuid() == 0 and not _account_exists("postgres"):
            return None
        return found("initdb", "postgres", beside=_versions())

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "not-the-test-database",
            "USER": "postgres",
            "HOST": str(self.directory),
            "PORT": "5432",
        }

    def answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(host=str(self.directory), user="postgres", dbname="postgres", connect_timeout=1).close()
        except psycopg.Error:
            return False
        return True

    def _initialize(self) -> list[str]:
        if os.geteuid() == 0:
            self._account = "postgres"
            shutil.chown(self.directory, "postgres")
        return [
            self._paths["initdb"],
            *("--pgdata", str(self.data_path), "--username", "postgres", "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"),
        ]

    def _command(self) -> list[str]:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": self.directory,
            "external_pid_file": self.pid_path,
            "logging_collector": "off",
            "fsync": "on" if self.fsync else "off",
            "shared_buffers": "32MB",
            "lock_timeout": f"{LOCK_TIMEOUT_S}s",
        }
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [self._paths["postgres"], "-D", str(self.data_path), *settings, *self._args]


def _versions() -> list[str]:
    """Debian keeps its programs out of PATH, in a folder per version; the newest first."""
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    return [str(folder) for folder in sorted(folders, key=lambda f: float(f.parent.name), reverse=True)]


def _account_exists(name: str) -> bool:
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False
