"""Keeps one connection subscribed: connects, notices losses, backs off, subscribes again, and tells of the hole."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any, Protocol

from ...core.exceptions import AccessRefused, BusError
from ...core.gaps import Reason
from ...core.subscribing import Subscriber
from ...core.telling import loggable, printable
from .session import Entry, Lost, Session

logger = logging.getLogger("django_redis_bus.listener")

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0
STABLE_S = 1.0
"""A connection that lived so long ends the trouble: after it, waits begin with the first again."""

Route = tuple[Callable[[str, bytes, str | None], object], str, str | None]
"""A callback, and the topic and the pattern to call it with."""
Routes = dict[Any, tuple[Route, ...]]


class Served(Protocol):
    """What the connection works for: Live."""

    routes: Routes
    pressed: list[Any]
    counts: Counter[str]

    def entries(self) -> Iterable[Entry]:
        """Everything that has to be subscribed."""

    def route(self, key: Any) -> tuple[Route, ...]:
        """Return who gets a message: by the channel, or by (pattern, channel)."""

    def confirmed(self, entry: Entry) -> None: ...

    def refused(self, entry: Entry, error: BusError) -> None: ...

    def lost(self, error: BusError, *, for_good: bool) -> None:
        """There is no connection just now; `for_good` if another try would end alike."""

    def gap(self, reason: Reason, seconds: float) -> None:
        """Everything is subscribed again after a loss."""


class Connection:
    """See the module.

    Args:
        connect: makes an unopened connection.
        where: the server, for messages.
        served: what it works for.
        luck: returns a random number in [0, 1).
    """

    def __init__(
        self, connect: Callable[[], Subscriber], *, where: str, served: Served, luck: Callable[[], float]
    ) -> None:
        self._connect = connect
        self._where = where
        self._served = served
        self._luck = luck
        self._session: Session | None = None
        self._tries = 0
        self._told = False
        # Of the hole that nobody has been told of yet:
        self._well_at: float | None = None
        self._reason: Reason = "lost"

    @property
    def is_open(self) -> bool:
        """Whether commands can be written."""
        return self._session is not None

    def subscribe(self, entries: Iterable[Entry]) -> None:
        if self._session is not None:  # else the next one subscribes to everything
            self._session.subscribe(entries)

    def unsubscribe(self, entries: Iterable[Entry]) -> None:
        if self._session is not None:
            self._session.unsubscribe(entries)

    async def run(self) -> None:
        """Go on until cancelled."""
        self._tries, self._told, self._well_at = 0, False, None
        while True:
            link = self._connect()
            try:
                await link.open()
                await self._serve(link)
            except BusError as error:
                lost = error
            except Exception as error:  # nothing may end this loop
                text, exc_info = loggable(error)
                logger.error("Listening to %s met an error and begins anew.%s", self._where, text, exc_info=exc_info)
                lost = Lost(f"{type(error).__name__} while listening", "lost")
            finally:
                session, self._session = self._session, None
                if session is not None:
                    session.end()
                await link.close()
            await asyncio.sleep(self._after(lost, session))

    def _after(self, lost: BusError, session: Session | None) -> float:
        """Note a loss. Returns the seconds to wait before the next try."""
        if session is not None:
            if session.heard_at - session.began_at > STABLE_S:
                self._tries = 0
            if self._well_at is None:
                self._well_at = session.heard_at
                self._reason = lost.reason if isinstance(lost, Lost) else "lost"
        self._served.lost(lost, for_good=isinstance(lost, AccessRefused))
        if not self._told:
            self._told = True
            logger.error("Redis is unavailable; listeners wait and try again. %s", printable(str(lost)))
        wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self._tries, 10))
        self._tries += 1
        return wait * (1 - self._luck() / 2)

    async def _serve(self, link: Subscriber) -> None:
        """Listen until the connection is lost."""
        served = self._served
        session = Session(link, confirmed=served.confirmed, refused=served.refused, beat_key=self._any_active)
        self._session = session
        # What comes while some of the names are not confirmed waits, so that the gap can be told before it.
        held_back = await self._subscribe_all(session)
        self._recovered()
        for routes, data in held_back:
            self._deliver(routes, data)
        while True:
            await self._take(session, await session.read())

    async def _subscribe_all(self, session: Session) -> list[tuple[tuple[Route, ...], bytes]]:
        held_back: list[tuple[tuple[Route, ...], bytes]] = []
        session.subscribe(self._served.entries())
        last = session.asked
        while session.answered < last:
            for reply in await session.read():
                key, data = _message(reply)
                if key is None:
                    session.answer(reply)
                else:
                    self._served.counts["received"] += 1
                    # Who gets it is settled now: a name that is confirmed later was not yet a second way to it.
                    held_back.append((self._served.route(key), data))
        return held_back

    async def _take(self, session: Session, replies: list[Any]) -> None:
        served = self._served
        routes_of, pressed = served.routes, served.pressed
        messages = 0
        for reply in replies:
            if reply.__class__ is not list:
                session.answer(reply)
                continue
            if len(reply) == 4:
                _, pattern, channel, data = reply
                key: Any = (pattern, channel)
            elif reply[0] == b"message":
                _, key, data = reply
            else:
                session.answer(reply)
                continue
            messages += 1
            routes = routes_of.get(key)
            if routes is None:
                routes = served.route(key)
            for on_message, topic, pattern_text in routes:
                try:
                    on_message(topic, data, pattern_text)
                except Exception as error:
                    self._complain(error, topic)
            while pressed:
                session.paused = True
                try:
                    await pressed.pop().relieved()
                finally:
                    session.paused = False
        served.counts["received"] += messages

    def _deliver(self, routes: tuple[Route, ...], data: bytes) -> None:
        for on_message, topic, pattern in routes:
            try:
                on_message(topic, data, pattern)
            except Exception as error:
                self._complain(error, topic)

    def _complain(self, error: Exception, topic: str) -> None:
        self._served.counts["failed"] += 1
        text, exc_info = loggable(error)
        logger.error("A message of %s could not be passed on.%s", printable(topic)[:200], text, exc_info=exc_info)

    def _any_active(self) -> Entry | None:
        return next((entry for entry in self._served.entries() if entry.active), None)

    def _recovered(self) -> None:
        if self._well_at is None:  # the first connection
            if self._told:
                self._told = False
                logger.warning("Redis is back; listeners begin")
            return
        seconds = monotonic() - self._well_at
        self._well_at, self._told = None, False
        self._served.counts["reconnects"] += 1
        self._served.gap(self._reason, seconds)
        logger.warning(
            "Redis is back; what was published in the last %.1f s may not have been heard (%s)", seconds, self._reason
        )


def _message(reply: Any) -> tuple[Any, bytes]:
    """Return who sent it, as `Served.route` takes it, and the data; (None, b"") for what is no message."""
    if isinstance(reply, list):
        if len(reply) == 4:
            return (reply[1], reply[2]), reply[3]
        if reply[0] == b"message":
            return reply[1], reply[2]
    return None, b""
