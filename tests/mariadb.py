"""A MariaDB of the suite's own: see tests/databases.py."""

from __future__ import annotations

import os
import pwd
import signal
from typing import Any

from tests.database_servers import LOCK_TIMEOUT_S, DatabaseServer, found


class MariaDB(DatabaseServer):
    kind = "MariaDB"
    package = "pymysql"
    stop_signal = signal.SIGTERM
    end_signal = signal.SIGKILL

    @classmethod
    def programs(cls) -> dict[str, str] | None:
        return found("mariadbd", "mariadb-install-db", beside=("/usr/sbin", "/usr/local/sbin"))

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "ENGINE": "django.db.backends.mysql",
            "NAME": "not-the-test-database",
            "USER": "root",
            "HOST": str(self.directory / "s"),
        }

    def answers(self) -> bool:
        import pymysql

        from tests.mysqldb import Connection

        try:
            Connection(unix_socket=self.settings["HOST"], user="root", connect_timeout=1, read_timeout=1).close()
        except pymysql.Error:
            return False
        return True

    def _initialize(self) -> list[str]:
        names = ("--skip-test-db", "--skip-name-resolve", "--auth-root-authentication-method=normal")
        return [self._paths["mariadb-install-db"], "--no-defaults", *self._files(), *names]

    def _command(self) -> list[str]:
        return [
            *(self._paths["mariadbd"], *("--no-defaults", *self._files())),
            *(f"--socket={self.directory / 's'}", "--skip-networking", f"--pid-file={self.pid_path}"),
            *("--performance-schema=off", "--max-connections=200"),
            *("--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci"),
            *(f"--lock-wait-timeout={LOCK_TIMEOUT_S}", f"--innodb-lock-wait-timeout={LOCK_TIMEOUT_S}"),
            # 2: written at each commit, as kill -9 asks for, and synced once a second.
            f"--innodb-flush-log-at-trx-commit={1 if self.fsync else 2}",
            *self._args,
        ]

    def _files(self) -> list[str]:
        return [
            *(f"--datadir={self.data_path}", f"--user={pwd.getpwuid(os.geteuid()).pw_name}"),
            # Each removes what it takes for leftovers of its own from there when it starts.
            f"--tmpdir={self.directory}",
            *("--innodb-log-file-size=32M", "--innodb-buffer-pool-size=64M"),
            f"--innodb-flush-method={'fsync' if self.fsync else 'nosync'}",
        ]
