"""PyMySQL in the place of mysqlclient, which would want a compiler and MariaDB's headers."""

from __future__ import annotations

import socket

import pymysql


class Connection(pymysql.connections.Connection):
    def connect(self, sock: socket.socket | None = None) -> None:
        # PyMySQL forgets to close a unix socket on which nobody answers, and warnings are errors here.
        if sock is None and self.unix_socket:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(self.connect_timeout)
            try:
                sock.connect(self.unix_socket)
            except OSError as error:
                sock.close()
                raise pymysql.OperationalError(2002, f"Cannot connect to {self.unix_socket}: {error}") from error
        super().connect(sock)


def install() -> None:
    """Let Django's backend, which imports MySQLdb, find this."""
    pymysql.connect = pymysql.Connect = pymysql.Connection = Connection
    pymysql.install_as_MySQLdb()
