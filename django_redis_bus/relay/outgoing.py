"""Outgoing: what waits for one socket, and the task that sends it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

Send = Callable[[Any], Awaitable[None]]

MOST_CHARACTERS = 4_000_000
"""So much may wait for one socket, whatever the number of frames."""
FEW_CHARACTERS = 64_000
"""What may wait while something large is made for the same socket."""


class Outgoing:
    """A bounded queue before one socket. Who puts something into it never waits; who reads too slowly overflows it.

    Args:
        send: of the ASGI connection.
        most: messages that may wait.
        overflowed: called when there are more than that, or far too long ones, though the writer has had its turn.
    """

    __slots__ = (
        "_counting", "_loop", "_most", "_overflowed", "_queue", "_send", "_sent", "_waiter", "_writer", "characters",
        "is_closed",
    )  # fmt: skip

    def __init__(self, send: Send, *, most: int, overflowed: Callable[[], None]) -> None:
        self.is_closed = False
        self.characters = 0
        """Of the text frames that wait, and of the one that is being sent."""
        self._send = send
        self._most = most
        self._overflowed = overflowed
        self._queue: deque[dict[str, Any]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._sent: asyncio.Future[None] | None = None
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
        self.characters += len(message.get("text", ""))
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            waiter.set_result(None)
        elif self._is_too_much and not self._counting:
            # A burst may come in one turn of the loop, and the writer has not been asked yet.
            self._counting = True
            self._loop.call_soon(self._count)

    @property
    def _is_too_much(self) -> bool:
        return len(self._queue) > self._most or self.characters > MOST_CHARACTERS

    def _count(self) -> None:
        self._counting = False
        if self._is_too_much and not self.is_closed:
            self._overflowed()

    def put_text(self, text: str) -> None:
        """Send a text frame after all that wait."""
        self.put({"type": "websocket.send", "text": text})

    async def almost_sent(self) -> None:
        """Wait until little is left of what waits, or nothing will be sent any more."""
        while self.characters > FEW_CHARACTERS and not self.is_closed:
            if self._sent is None:
                self._sent = self._loop.create_future()
            await asyncio.shield(self._sent)

    def close(self) -> None:
        """Send nothing more; what waits is dropped."""
        self.is_closed = True
        self._queue.clear()
        self._writer.cancel()
        self._tell_sent()

    def _tell_sent(self) -> None:
        if self._sent is not None:
            self._sent.set_result(None)
            self._sent = None

    async def _write(self) -> None:
        queue, send = self._queue, self._send
        while True:
            while queue:
                message = queue.popleft()
                await send(message)
                self.characters -= len(message.get("text", ""))
                if self._sent is not None and self.characters <= FEW_CHARACTERS:
                    self._tell_sent()
            self._waiter = waiter = self._loop.create_future()
            await waiter
