"""One deadline for all that a piece of work does on a connection: connecting, handshake, writing, every reply.

redis-py's socket_timeout begins anew with each answer, so a slow server could hold a caller for many times as long.
Only the resolving of a host's name stays outside: the operating system's call for it knows no time-out.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Iterable
from functools import cache
from time import monotonic
from typing import Any

from hiredis import Reader
from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.exceptions import InvalidResponse

MORE = object()
"""What a Reader returns while a reply is incomplete."""
BUFFER_BYTES = 65_536
LEAST_S = 0.001
"""A time-out of 0 would mean: do not wait at all."""


class _Limit(threading.local):
    until: float | None = None


# Per thread, and not an argument: a pool connects by itself, with what its connections know.
_limit = _Limit()


class within:  # noqa: N801  # used as a function; contextlib's decorator costs four times as much
    """Context manager: what this thread does on Timely connections ends in `deadline_s` seconds, or fails."""

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s

    def __enter__(self) -> None:
        _limit.until = monotonic() + self._deadline_s

    def __exit__(self, *exc_info: object) -> None:
        _limit.until = None


def left_s(longest_s: float | None) -> float | None:
    """Return how long this thread may wait, at most `longest_s`. Raises TimeoutError if its deadline has passed."""
    if _limit.until is None:
        return longest_s
    left = _limit.until - monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left if longest_s is None else min(left, longest_s)


class Timely:
    """Mixin over a connection class of redis-py: honours `within`, and exchanges bytes for replies in one go."""

    _sock: Any
    _parser: Any
    _socket_timeout: float | None
    _socket_connect_timeout: float | None
    _reading: tuple[Any, Reader, bytearray, select.poll] | None = None

    # redis-py asks for these two right before it connects, for each address of the host anew.

    @property
    def socket_timeout(self) -> float | None:
        return _or_least(self._socket_timeout)

    @socket_timeout.setter
    def socket_timeout(self, value: float | None) -> None:
        self._socket_timeout = value

    @property
    def socket_connect_timeout(self) -> float | None:
        return _or_least(self._socket_connect_timeout)

    @socket_connect_timeout.setter
    def socket_connect_timeout(self, value: float | None) -> None:
        self._socket_connect_timeout = value

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        if self._sock is not None:
            self._sock.settimeout(left_s(self._socket_timeout))
        return super().read_response(*args, **kwargs)  # type: ignore[misc]

    def is_silent(self) -> bool:
        """Return whether it is connected, after an `exchange`, and there is nothing to read, not even its end."""
        return self._reading is not None and self._reading[0] is self._sock and not self._reading[3].poll(0)

    def exchange(self, pieces: Iterable[bytes], count: int, replies: list[Any]) -> None:
        """Write the pieces and append the `count` replies it is owed to `replies`; error replies are exceptions in it.

        Raises what a dead connection raises; then some replies may have come.
        """
        sock = self._sock
        if sock is None:
            raise ConnectionError("the connection was closed")
        armed = monotonic()
        left = left_s(self._socket_timeout)
        slack = 0.1 * (left or 1.0)
        sock.settimeout(left)
        for piece in pieces:
            if (now := monotonic()) - armed > slack:  # not each time: it is a system call
                sock.settimeout(left_s(self._socket_timeout))
                armed = now
            sock.sendall(piece)
        if self._reading is None or self._reading[0] is not sock:
            watch = select.poll()
            watch.register(sock, select.POLLIN)
            self._reading = (sock, _reader(self._parser), bytearray(BUFFER_BYTES), watch)
        _, reader, buffer, _ = self._reading
        for _ in range(count):
            while (reply := reader.gets(False)) is MORE:
                if (now := monotonic()) - armed > slack:
                    sock.settimeout(left_s(self._socket_timeout))
                    armed = now
                size = sock.recv_into(buffer)
                if not size:
                    raise ConnectionError("closed by the server")
                reader.feed(buffer, 0, size)  # type: ignore[arg-type]  # any buffer will do
            replies.append(reply)


class AsyncTimely:
    """The same for redis-py's asyncio connections; the deadline is the caller's `asyncio.timeout`."""

    _parser: Any
    _reader: Any
    _writer: Any
    _replies: tuple[Any, Reader] | None = None

    async def exchange(self, pieces: Iterable[bytes], count: int, replies: list[Any]) -> None:
        stream, writer = self._reader, self._writer
        if stream is None or writer is None:
            raise ConnectionError("the connection was closed")
        writer.writelines(pieces)
        await writer.drain()
        if self._replies is None or self._replies[0] is not stream:
            self._replies = (stream, _reader(self._parser))
        reader = self._replies[1]
        for _ in range(count):
            while (reply := reader.gets(False)) is MORE:
                came = await stream.read(BUFFER_BYTES)
                if not came:
                    raise ConnectionError("closed by the server")
                reader.feed(came)
            replies.append(reply)


def _or_least(longest_s: float | None) -> float | None:
    # A property that raised would leave redis-py with half a connection; what follows it raises soon enough.
    try:
        return left_s(longest_s)
    except TimeoutError:
        return LEAST_S


def _reader(parser: Any) -> Reader:
    # A reader of our own: redis-py's takes three times as long per reply.
    return Reader(protocolError=InvalidResponse, replyError=parser.parse_error, notEnoughData=MORE)


@cache
def timely(base: type) -> type:
    """Return a subclass of redis-py's connection class `base` that is Timely, or AsyncTimely."""
    mixin = AsyncTimely if issubclass(base, AsyncConnection) else Timely
    return type(f"Timely{base.__name__}", (mixin, base), {})
