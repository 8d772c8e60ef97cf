"""Subscriber: one EventSource, what waits for it, and what it is in."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from random import random
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.db import connections

from ..access import allowed
from ..bus import Bus
from ..core.exceptions import BusError, Unavailable
from ..core.telling import loggable, printable
from . import event_stream
from .event_stream import Place
from .guard import guard_of
from .identity import session_mark
from .members import Item, Joined
from .protocol import Close
from .rooms import rooms_of
from .timeline import Position
from .topics import Membership

logger = logging.getLogger("django_redis_bus.relay")

LEAST_RETRY_MS = 500
MOST_BYTES = 4_000_000
"""So much may wait for one stream, whatever the number of messages."""
CHUNK_BYTES = 65_536
"""About so much is given to the server at a time."""
CLOSE_S = 5.0
"""How long the last of a stream that ends may take to be read."""


class _Began(NamedTuple):
    """A topic has been joined."""

    topic: str
    joined: Joined
    is_lost: bool


class Subscriber:
    """One EventSource: a member of its rooms, and watched by the guard as a Connection is.

    Args:
        scope: holds the session, if there is one.
        user: who is at the other end.
    """

    def __init__(self, bus: Bus, scope: dict[str, Any], user: Any) -> None:
        self.bus = bus
        self.scope = scope
        self.user = user
        self.session = session_mark(scope)
        self.is_closed = False
        self._rooms = rooms_of(bus)
        self._topics: dict[str, Membership] = {}
        self._places: dict[str, Place] = {}
        self._queue: deque[Item | _Began | bytes] = deque()
        self._awake = asyncio.Event()
        self._counting = False
        self._bytes = 0
        self._serving: asyncio.Task[Any] | None = None
        self._cutting: asyncio.TimerHandle | None = None

    async def run(
        self, memberships: Sequence[Membership], places: Sequence[Place], *, history: int
    ) -> AsyncIterator[bytes]:
        """Join the topics, and yield the stream until the browser goes or may not stay.

        Args:
            places: where it was, for each topic.
            history: how many messages it wants where it has not been.
        """
        relay = self.bus.config.relay
        self._serving = asyncio.current_task()
        self._topics = {each.topic: each for each in memberships}
        self._places = {each.topic: place for each, place in zip(memberships, places, strict=True)}
        guard = guard_of(self.bus)
        guard.add(self)
        try:
            await sync_to_async(_let_go)()
            # Each browser has a time of its own, so that they do not come back together after a restart.
            yield event_stream.retry(int(LEAST_RETRY_MS + random() * relay.spread_s * 1000))
            for membership in memberships:
                await self._enter(membership, history)
                while self._queue:  # each topic is on its way before the next is read
                    yield self._take()
            while not self.is_closed or self._queue:
                if self._queue:
                    yield self._take()
                    continue
                self._awake.clear()
                try:
                    async with asyncio.timeout(relay.keepalive_s):
                        await self._awake.wait()
                except TimeoutError:
                    yield event_stream.KEEP_ALIVE
        except BusError as error:
            # An answer such as 503 would end an EventSource for good. After a stream that ends it comes back by itself.
            if not isinstance(error, Unavailable):
                told, exc_info = loggable(error)
                logger.error("Topics could not be streamed: %s%s", printable(str(error)), told, exc_info=exc_info)
            yield b": unavailable, come back later\n\n"
        finally:
            guard.remove(self)
            self._gone()

    # --- what comes

    def push(self, item: Item) -> None:
        """Take an item of a room."""
        size = len(event_stream.item(item))
        if not size:
            return
        self._bytes += size
        self._put(item)
        if self._is_too_much and not self._counting:
            # A burst may come in one turn of the loop, and the reader has not been asked yet.
            self._counting = True
            asyncio.get_running_loop().call_soon(self._count)

    @property
    def _is_too_much(self) -> bool:
        return len(self._queue) > self.bus.config.relay.queue or self._bytes > MOST_BYTES

    def _count(self) -> None:
        self._counting = False
        if self._is_too_much:
            self.close(Close.TOO_SLOW)

    def _put(self, what: Item | _Began | bytes) -> None:
        self._queue.append(what)
        self._awake.set()

    async def _enter(self, membership: Membership, history: int) -> None:
        topic, place = membership.topic, self._places[membership.topic]
        if not self._may_be_in(topic):  # thrown out while the ones before it were read
            return
        joined = await self._rooms.join(topic, membership.channel, self, place.position, history=history)
        if not self._may_be_in(topic):
            self._rooms.leave(topic, self)
            return
        self._put(_Began(topic, joined, is_lost=place.has_been and joined.recovered is not True))

    def _may_be_in(self, topic: str) -> bool:
        return not self.is_closed and topic in self._topics

    def _take(self) -> bytes:
        """Return the next of what waits, as it is in the stream.

        An id goes with what it covers: who is cut off between two events comes back for the second.
        """
        told: list[bytes] = []
        size = 0
        while self._queue and size < CHUNK_BYTES:
            each = self._queue.popleft()
            if isinstance(each, _Began):
                self._begin(each, told)
            elif isinstance(each, bytes):
                told.append(each)
            else:
                if each.position is not None or each.kind == "gap":
                    told.append(self._move(each.topic, each.position))
                event = event_stream.item(each)
                told.append(event)
                size += len(event)
                self._bytes -= len(event)
        return b"".join(told)

    def _begin(self, began: _Began, told: list[bytes]) -> None:
        topic, joined, is_lost = began
        epoch, offset = joined.position or (None, None)
        if is_lost:
            told.append(event_stream.gap(topic, joined.position, None))
        for kept in joined.messages:
            if epoch is not None:
                told.append(self._move(topic, Position(epoch, kept.offset)))
            told.append(event_stream.message(topic, kept.text))
        told.append(self._move(topic, joined.position))
        told.append(event_stream.named("joined", topic=topic, epoch=epoch, offset=offset, recovered=joined.recovered))

    def _move(self, topic: str, position: Position | None) -> bytes:
        self._places[topic] = event_stream.place_at(position)
        return event_stream.event_id(self._places.values())

    # --- whether it may stay; see guard.py

    async def recheck(self) -> None:
        """Ask the rules of every topic again, as the user it is now."""
        for topic, membership in list(self._topics.items()):
            if not await allowed(membership.channel.can_join, self.user, membership.parameters):
                self._leave(topic, "forbidden")
        if not self._topics:
            self._end()

    def close(self, code: int) -> None:
        """End it, and be out of every room at once."""
        if self.is_closed:
            return
        if code == Close.TOO_SLOW:
            self._drop()  # it comes back for it
        for topic in list(self._topics):
            if code == Close.TOO_SLOW:
                self._rooms.leave(topic, self)
            else:
                self._leave(topic, "logged_out")
        self._end()

    def _leave(self, topic: str, why: str) -> None:
        if self._topics.pop(topic, None) is not None:
            self._rooms.leave(topic, self)
            self._put(event_stream.named("left", topic=topic, why=why))

    def _drop(self) -> None:
        self._queue.clear()
        self._bytes = 0

    def _end(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        self._awake.set()
        # It may stand in its server, which waits for a browser that reads nothing.
        self._cutting = asyncio.get_running_loop().call_later(CLOSE_S, self._cut_off)

    def _cut_off(self) -> None:
        guard_of(self.bus).remove(self)  # Django leaves it to the garbage collector to end `run`
        self._gone()
        if self._serving is not None:
            self._serving.cancel()

    def _gone(self) -> None:
        self.is_closed = True
        if self._cutting is not None:
            self._cutting.cancel()
        self._drop()
        for topic in self._topics:
            self._rooms.leave(topic, self)
        self._topics.clear()


def _let_go() -> None:
    """Close the database connections that the session was read with: a stream stays for hours, and its thread too."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
