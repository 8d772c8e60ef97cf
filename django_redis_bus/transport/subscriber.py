"""A connection in subscribe mode: redis-py connects and logs in, the bytes after that are read here.

redis-py's own PubSub takes 5 µs per message, and reconnects by itself without a word, so that nobody knows of the hole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from hiredis import Reader, pack_command
from redis.exceptions import InvalidResponse, RedisError

from ..core.exceptions import Unavailable
from ..core.subscribing import Key
from .clients import CONNECT_S, Clients
from .deadline import MORE
from .errors import LOST, translate

CHUNK_BYTES = 262_144


class RedisSubscriber:
    """See Subscriber.

    Args:
        clients: of the server to listen to.
    """

    def __init__(self, clients: Clients) -> None:
        self._where = clients.where
        self._clients = clients
        self._connection: Any = None
        self._stream: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reader: Any = None

    async def open(self) -> None:
        # Not one of the pool's, which would close it with the others while it is in use.
        pool: Any = self._clients.async_pool()
        self._connection = pool.make_connection()
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._connection.connect()
        except (*LOST, RedisError) as error:
            late = isinstance(error, TimeoutError)
            told = TimeoutError(f"no connection within {CONNECT_S:g} s") if late else error
            raise translate(told, where=self._where) from error
        self._stream, self._writer = self._connection._reader, self._connection._writer
        parse_error = self._connection._parser.parse_error
        self._reader = Reader(protocolError=InvalidResponse, replyError=parse_error, notEnoughData=MORE)

    def subscribe(self, keys: Iterable[Key]) -> None:
        self._write((b"PSUBSCRIBE" if is_pattern else b"SUBSCRIBE", name) for name, is_pattern in keys)

    def unsubscribe(self, keys: Iterable[Key]) -> None:
        self._write((b"PUNSUBSCRIBE" if is_pattern else b"UNSUBSCRIBE", name) for name, is_pattern in keys)

    def _write(self, commands: Iterable[Any]) -> None:
        if self._writer is not None and not self._writer.is_closing():  # else the next read tells
            self._writer.write(b"".join([pack_command(command) for command in commands]))

    async def read(self) -> list[Any]:
        stream, reader = self._stream, self._reader
        if stream is None:
            raise Unavailable(f"Redis at {self._where}: the connection is closed")
        replies: list[Any] = []
        append, gets = replies.append, reader.gets
        try:
            while not replies:
                came = await stream.read(CHUNK_BYTES)
                if not came:
                    raise ConnectionError("closed by the server")
                reader.feed(came)
                while (reply := gets(False)) is not MORE:
                    append(reply if reply.__class__ is list else translate(reply, where=self._where))
        except (*LOST, RedisError) as error:
            raise translate(error, where=self._where) from error
        return replies

    def cut(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()

    async def close(self) -> None:
        self.cut()  # a polite end would wait for a server that is frozen
        connection, self._connection = self._connection, None
        self._stream = self._writer = None
        if connection is not None:
            await connection.disconnect(nowait=True)
