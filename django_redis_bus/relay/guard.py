"""Guard: asks again, while sockets live, whether their users may stay where they are."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from random import random
from typing import Any, Protocol

from ..bus import Bus
from ..core.exceptions import BusError, Unavailable
from ..core.keys import stream_key
from ..core.revocation import read
from ..core.telling import loggable, printable
from ..revoking import CONTROL
from .identity import fresh
from .loops import PerLoop
from .protocol import Close

logger = logging.getLogger("django_redis_bus.relay")

AT_ONCE = 4
"""Sockets whose users are loaded at the same time: a change of rights must not empty the pool of databases."""
SLOW_S = 1.0
"""Who takes longer, because a rule of the project does, keeps no other waiting."""
TICK_S = 0.5
"""How late a socket may be looked at."""
REFUSED_S = 30.0
"""How long until the control channel is asked for again, if this user of Redis may not listen to it."""


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
        self._looking: dict[Watched, asyncio.Task[None]] = {}
        self._hurry = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._attachment: Any = None
        self._is_refused = False
        self._listen_at = float("-inf")

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
        ending = [*self._looking.values(), *([self._watching] if self._watching is not None else [])]
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)

    # --- the watch

    async def _watch(self) -> None:
        try:
            while self._due:
                await self._listen()
                self._hurry.clear()
                await self._look_at_the_late()
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

    async def _look_at_the_late(self) -> None:
        now = self._loop.time()
        quick: set[asyncio.Task[None]] = set()
        # One that is looked at stays due, if it became so meanwhile.
        for connection in [each for each, due in self._due.items() if due <= now and each not in self._looking]:
            if len(quick) >= AT_ONCE:
                done, quick = await asyncio.wait(quick, timeout=SLOW_S, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    quick = set()
            if connection.is_closed:
                self._due.pop(connection, None)
            elif connection in self._due:
                self._due[connection] = self._loop.time() + self._recheck_s * (0.9 + 0.2 * random())
                look = self._looking[connection] = self._loop.create_task(self._look(connection))
                look.add_done_callback(partial(self._looked, connection))
                quick.add(look)

    def _looked(self, connection: Watched, look: asyncio.Task[None]) -> None:
        del self._looking[connection]

    async def _look(self, connection: Watched) -> None:
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
        if self._attachment is not None or self._loop.time() < self._listen_at:
            return
        try:
            self._attachment = await self._bus.live.attach(
                channels=[CONTROL],
                on_message=self._on_message,
                on_gap=lambda gap: self._hasten(self._due),
                deadline_s=1.0,
            )
        except Unavailable:
            return  # tried again with the next tick; an outage is told by those who publish and listen
        except BusError as error:
            self._listen_at = self._loop.time() + REFUSED_S
            if not self._is_refused:
                self._is_refused = True
                key = stream_key(self._bus.config.key_prefix, CONTROL)
                logger.error(
                    "Redis refuses %r, so a lost right ends a socket only after RELAY['recheck'], not at once. "
                    "Allow the channel: ACL SETUSER … &%s (%s)",
                    key,
                    key,
                    printable(str(error)),
                )
            return
        self._is_refused = False
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
