"""Outgoing: what waits for one socket, and the task that sends it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

Send = Callable[[Any], Awaitable[None]]


class Outgoing:
    """A bounded queue before one socket. Who puts something into it never waits; who reads too slowly overflows it.

    Args:
        send: of the ASGI connection.
        most: messages that may wait.
        overflowed: called when there are more than that, though the writer has had its turn.
    """

    __slots__ = ("_counting", "_loop", "_most", "_overflowed", "_queue", "_send", "_waiter", "_writer", "is_closed")

    def __init__(self, send: Send, *, most: int, overflowed: Callable[[], None]) -> None:
        self.is_closed = False
        self._send = send
        self._most = most
        self._overflowed = overflowed
        self._queue: deque[dict[str, Any]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._counting = False
        self._loop = asyncio.get_running_loop()
        self._writer = self._loop.create_task(self._write())

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, message: dict[str, Any]) -> None:
        """Send a message after all that wait."""
        if self.is_closed:
            return
        self._queue.append(message)
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            waiter.set_result(None)
        elif len(self._queue) > self._most and not self._counting:
            # A burst may come in one turn of the loop, and the writer has not been asked yet.
            self._counting = True
            self._loop.call_soon(self._count)

    def _count(self) -> None:
        self._counting = False
        if len(self._queue) > self._most and not self.is_closed:
            self._overflowed()

    def put_text(self, text: str) -> None:
        """Send a text frame after all that wait."""
        self.put({"type": "websocket.send", "text": text})

    def close(self) -> None:
        """Send nothing more; what waits is dropped."""
        self.is_closed = True
        self._queue.clear()
        self._writer.cancel()

    async def _write(self) -> None:
        queue, send = self._queue, self._send
        while True:
            while queue:
                await send(queue.popleft())
            self._waiter = waiter = self._loop.create_future()
            await waiter
