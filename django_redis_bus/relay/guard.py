"""Guard: asks again, while sockets live, whether their users may stay where they are."""

from __future__ import annotations

import asyncio
import logging
from random import random
from typing import Any, Protocol

from ..bus import Bus
from ..core.exceptions import BusError
from ..core.revocation import read
from ..core.telling import loggable
from ..revoking import CONTROL
from .identity import fresh
from .loops import PerLoop
from .protocol import Close

logger = logging.getLogger("django_redis_bus.relay")

AT_ONCE = 4
"""Sockets whose users are loaded at the same time: a change of rights must not empty the pool of databases."""
TICK_S = 0.5
"""How late a socket may be looked at."""


class Watched(Protocol):
    """A socket or an event stream, as the guard sees it."""

    scope: dict[str, Any]
    user: Any
    session: str | None
    """The mark of its session, if it has one; see core.revocation."""
    is_closed: bool

    def close(self, code: int) -> None:
        """End it, with one of protocol.Close; returns at once."""
        ...

    async def recheck(self) -> None:
        """Ask the rules of all it is in again."""
        ...


class Guard:
    """The sockets of one bus in one event loop; made by `guard_of`.

    One task looks at all of them, each at a time of its own: ten thousand are not asked about in one moment.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._recheck_s = bus.config.relay.recheck_s
        self._loop = asyncio.get_running_loop()
        self._due: dict[Watched, float] = {}
        self._hurry = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._attachment: Any = None

    def add(self, connection: Watched) -> None:
        """Watch a socket."""
        self._due[connection] = self._loop.time() + self._recheck_s * (0.5 + 0.5 * random())
        if self._watching is None:
            self._watching = self._loop.create_task(self._watch())

    def remove(self, connection: Watched) -> None:
        """Watch it no more."""
        self._due.pop(connection, None)

    async def aclose(self) -> None:
        """Stop watching."""
        self._due.clear()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    # --- the watch

    async def _watch(self) -> None:
        try:
            while self._due:
                await self._listen()
                self._hurry.clear()
                now = self._loop.time()
                late = [connection for connection, due in self._due.items() if due <= now]
                for at in range(0, len(late), AT_ONCE):
                    await asyncio.gather(*map(self._look, late[at : at + AT_ONCE]))
                try:
                    async with asyncio.timeout(min(TICK_S, self._recheck_s / 4)):
                        await self._hurry.wait()
                except TimeoutError:
                    pass
        finally:
            self._watching = None
            attachment, self._attachment = self._attachment, None
            if attachment is not None:
                await attachment.close()
            if self._due:  # somebody came while it was closed
                self._watching = self._loop.create_task(self._watch())

    async def _look(self, connection: Watched) -> None:
        if connection.is_closed:
            self._due.pop(connection, None)
            return
        self._due[connection] = self._loop.time() + self._recheck_s * (0.9 + 0.2 * random())
        try:
            if connection.user.is_authenticated:
                user = await fresh(connection.scope, connection.user)
                if user is None:
                    connection.close(Close.LOGGED_OUT)
                    return
                connection.user = user
            await connection.recheck()
        except Exception as error:
            # A database that is away for a moment throws nobody out.
            told, exc_info = loggable(error)
            logger.error(
                "A browser's rights could not be asked for again: %s%s", type(error).__name__, told, exc_info=exc_info
            )

    # --- what other processes say

    async def _listen(self) -> None:
        if self._attachment is not None:
            return
        try:
            self._attachment = await self._bus.live.attach(
                channels=[CONTROL],
                on_message=self._on_message,
                on_gap=lambda gap: self._hasten(self._due),
                deadline_s=1.0,
            )
        except BusError:
            return  # tried again with the next tick
        self._hasten(self._due)  # what was said until now is unknown

    def _on_message(self, topic: str, raw: bytes, pattern: str | None) -> None:
        said = read(raw)
        if said is None:
            return
        for connection in list(self._due):
            if said.session is not None and connection.session == said.session:
                connection.close(Close.LOGGED_OUT)
            elif said.session is None and said.user in (None, str(connection.user.pk)):
                self._due[connection] = 0.0
        self._hurry.set()

    def _hasten(self, connections: dict[Watched, float]) -> None:
        """Look at them soon, spread a little: all processes hear the same."""
        now = self._loop.time()
        for connection, due in connections.items():
            connections[connection] = min(due, now + self._recheck_s * 0.2 * random())


guard_of = PerLoop(Guard)
"""Returns the guard of a bus in the running event loop."""
