"""One connection, used by one caller at a time: write commands, read raw replies."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from hiredis import pack_command
from redis.connection import ConnectionPool
from redis.exceptions import NoScriptError, ResponseError

from .errors import LOST, translate
from .scripts import Script


def pack(*args: str | bytes | float) -> bytes:
    """Return one command in wire format."""
    packed: bytes = pack_command(args)  # type: ignore[arg-type]  # its stub knows only tuples of one
    return packed


class Wire:
    """A connection taken from a pool on first use and given back by `close`.

    After any failure the connection is dropped, so that no reply is ever taken for another command's; the next call
    connects anew. Nothing is sent twice.

    Args:
        pool: where connections come from.
        where: the server's address without secrets, for messages.
    """

    def __init__(self, pool: ConnectionPool, where: str) -> None:
        self._pool = pool
        self._where = where
        self._connection: Any = None
        self._owed = 0

    def send(self, *commands: bytes) -> None:
        """Write packed commands; each owes one reply to `receive`."""
        try:
            if self._connection is None:
                self._connection = self._pool.get_connection()
            self._connection.send_packed_command([b"".join(commands)], check_health=False)
        except (*LOST, ResponseError) as error:  # the latter: refused while connecting
            self._drop()
            raise translate(error, where=self._where) from error
        self._owed += len(commands)

    def receive(self) -> Any:
        """Return the next reply. An error reply is returned, not raised: those behind it are still to be read."""
        connection = self._connection
        if connection is None:
            raise translate(ConnectionError("the connection was closed"), where=self._where)
        try:
            reply = connection.read_response(disable_decoding=True)
        except ResponseError as error:
            self._owed -= 1
            return error
        except (
            *LOST,
            AttributeError,
            ValueError,
        ) as error:  # the latter two: closed under our feet by `interrupt`
            self._drop()
            raise translate(error, where=self._where) from error
        except BaseException:
            self._drop()
            raise
        self._owed -= 1
        return reply

    def call(self, *args: Any) -> Any:
        """Send one command and return its reply. Raises BusError for an error reply."""
        self._settle()
        self.send(pack(*args))
        reply = self.receive()
        if isinstance(reply, Exception):
            raise translate(reply, where=self._where) from reply
        return reply

    def run(self, script: Script, keys: Sequence[str], *args: Any) -> Any:
        """Run a script by its hash, sending its text only if the server does not have it."""
        self._settle()
        self.send(pack("EVALSHA", script.sha, len(keys), *keys, *args))
        reply = self.receive()
        if isinstance(reply, NoScriptError):
            return self.call("EVAL", script.text, len(keys), *keys, *args)
        if isinstance(reply, Exception):
            raise translate(reply, where=self._where) from reply
        return reply

    def interrupt(self) -> None:
        """From another thread: make a `receive` that waits fail now."""
        connection = self._connection
        sock = getattr(connection, "_sock", None)
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it was closed already, which is what was wanted

    def close(self) -> None:
        """Give the connection back, or drop it if replies are still owed."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._owed:
            connection.disconnect()
        self._owed = 0
        self._pool.release(connection)

    def _settle(self) -> None:
        """A call between a `send` and its `receive` would take the wrong reply: that is a bug, so say it loudly."""
        if self._owed:
            raise AssertionError("a reply is still owed on this connection")

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._owed = 0
        if connection is not None:
            connection.disconnect()
            self._pool.release(connection)
