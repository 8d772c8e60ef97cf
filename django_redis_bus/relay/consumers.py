"""RoomConsumer: the ASGI application behind a WebSocket of the relay."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from ..bus import buses
from ..core.exceptions import BusError, PayloadError
from ..core.telling import loggable, printable
from . import protocol
from .connection import Connection
from .guard import guard_of
from .identity import pushed, user_of
from .origins import is_allowed
from .protocol import REASONS, SUBPROTOCOL, Close

logger = logging.getLogger("django_redis_bus.relay")

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Any], Awaitable[None]]

SERVER_SEND = "django_redis_bus.send"
"""Where `websocket_application` keeps the server's own `send`. Channels' session middleware wraps it and looks at the
session before each frame, though only an HTTP response can carry its cookie: a quarter of what a delivery costs."""
SLOW_S = 0.5
"""How long a frame may take before its socket is read further: only so its end is noticed meanwhile."""
CLOSE_S = 5.0
"""How long a socket may take to be closed before it is left to its server."""


class RoomConsumer:
    """Rooms for browsers over one WebSocket; the protocol is in docs/reference/relay-protocol.md.

    Mount it with `relay.routing`. A subclass may set `bus_alias`.
    """

    bus_alias = "default"

    @classmethod
    def as_asgi(cls) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        """Return the ASGI application: an instance per connection, as Channels' consumers have it."""

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await cls()(scope, receive, send)

        return application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            raise ValueError("RoomConsumer speaks WebSocket: route it under ProtocolTypeRouter's 'websocket'.")
        if (await receive())["type"] != "websocket.connect":
            return
        send = scope.get(SERVER_SEND, send)
        bus = buses[self.bus_alias]
        if not is_allowed(scope, bus):
            await refuse(scope, send, Close.FOREIGN_ORIGIN)
            return
        await send(_accept(scope))
        socket = _Socket(send)
        try:
            connection = Connection(bus, scope, user_of(scope), send, socket.hang_up)
        except Exception as error:  # RELAY["identity"] is the project's
            told, exc_info = loggable(error)
            logger.error("A browser could not be let in: %s%s", type(error).__name__, told, exc_info=exc_info)
            await send({"type": "websocket.close", "code": Close.UNAVAILABLE, "reason": REASONS[Close.UNAVAILABLE]})
            return
        guard = guard_of(bus)
        guard.add(connection)
        try:
            connection.welcome()
            await self._push(connection)
            await _serve(connection, receive)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not socket.is_abandoned or task is None or task.uncancel():
                raise
        finally:
            guard.remove(connection)
            connection.gone()
            await socket.ended()

    async def _push(self, connection: Connection) -> None:
        if not connection.user.is_authenticated:
            return
        try:
            for topic in pushed(connection.bus.config.relay.push, connection.user):
                await connection.push_topic(topic)
        except (PayloadError, AttributeError) as error:
            logger.error("A user cannot be given the topics of RELAY['push']: %s", printable(str(error)))
        except BusError:
            connection.close(Close.UNAVAILABLE)


class _Socket:
    """Closes one socket, though its reader may take nothing any more."""

    __slots__ = ("_closing", "_send", "_serving", "is_abandoned")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._serving = asyncio.current_task()
        self._closing: asyncio.Task[None] | None = None
        self.is_abandoned = False

    def hang_up(self, code: int) -> None:
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close(code))

    async def _close(self, code: int) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._send({"type": "websocket.close", "code": code, "reason": REASONS[code]})
                # The server says when it is done; `ended` ends this then.
                await asyncio.Event().wait()
        except TimeoutError:
            self.is_abandoned = True
            if self._serving is not None:
                self._serving.cancel()
        except Exception as error:
            # It was gone already.
            logger.debug("A socket could not be closed: %s", type(error).__name__)

    async def ended(self) -> None:
        if self._closing is not None and not self._closing.done() and not self.is_abandoned:
            self._closing.cancel()
            await asyncio.wait([self._closing])


async def _serve(connection: Connection, receive: Receive) -> None:
    ahead: Message | None = None
    while (message := ahead or await receive())["type"] != "websocket.disconnect":
        ahead = None
        if connection.is_closed:
            continue
        text = message.get("text")
        if text is None:
            connection.close(Close.BAD_FRAME)
        else:
            ahead = await _take(connection, text, receive)


async def _take(connection: Connection, text: str, receive: Receive) -> Message | None:
    """Do what a frame asks for, or stop doing it if the socket ends. Return the message that came meanwhile, if any."""
    taking = asyncio.create_task(_handle(connection, text))
    listening = None
    try:
        await asyncio.wait([taking], timeout=SLOW_S)
        if taking.done():
            return None
        listening = asyncio.ensure_future(receive())
        await asyncio.wait([taking, listening], return_when=asyncio.FIRST_COMPLETED)
        if not listening.done() or listening.result()["type"] != "websocket.disconnect":
            await asyncio.wait([taking])
        return await listening
    finally:
        unfinished = [task for task in (taking, listening) if task is not None and not task.done()]
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished)


async def _handle(connection: Connection, text: str) -> None:
    try:
        await connection.take(text)
    except Exception as error:
        told, exc_info = loggable(error)
        logger.error("A browser's frame could not be handled: %s%s", type(error).__name__, told, exc_info=exc_info)
        connection.say(protocol.error("unavailable", "this could not be done"))


def _accept(scope: Scope) -> dict[str, Any]:
    offered = SUBPROTOCOL in scope.get("subprotocols", ())
    return {"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None, "headers": []}


async def refuse(scope: Scope, send: Send, code: int) -> None:
    """Accept a socket and close it: only so the browser is told why.

    With the subprotocol that it has offered: without, a browser fails the connection and hears of no code.
    """
    await send(_accept(scope))
    await send({"type": "websocket.close", "code": code, "reason": REASONS[code]})
