"""Topics as server-sent events: for pages that only listen, or where no WebSocket gets through.

Needs ASGI; works without Channels.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from random import random
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.db import connections
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from ..access import allowed
from ..bus import Bus, buses
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
from .topics import Membership, find

logger = logging.getLogger("django_redis_bus.relay")

LEAST_RETRY_MS = 500


@login_not_required  # who may join is said by each channel, and nobody may unless it says so
@require_GET
@non_atomic_requests
async def live_events(request: HttpRequest, bus: str = "default") -> HttpResponseBase:
    """Stream topics to an EventSource: `?topic=chat:lobby&topic=user:7`.

    Query:
        topic: each topic that is wanted. The browser's user must be allowed to join all of them.
        history: so many of the newest messages of each topic, to begin with.
        last: where the page was made, as an event id says it ("epoch:offset" for each topic, in their order, joined by
            commas); what came after it is sent. A browser that comes back says so by itself, with Last-Event-ID.

    Events: messages, whose data is {"topic": …, "event": a CloudEvent}; and "joined", "gap" and "left".

    Args:
        bus: alias in REDIS_BUS.
    """
    if not hasattr(request, "scope"):
        return _refusal(501, "Server-sent events need ASGI: this is WSGI, where each would keep a thread for itself.")
    served = buses[bus]
    topics = list(dict.fromkeys(request.GET.getlist("topic")))
    most = served.config.relay.rooms
    if not 0 < len(topics) <= most:
        return _refusal(400, f"Say which topics are wanted, 1 to {most}: ?topic=chat:lobby&topic=…")
    try:
        history = int(request.GET.get("history", 0))
    except ValueError:
        return _refusal(400, "history is a number of messages.")
    user = await request.auser() if hasattr(request, "auser") else AnonymousUser()
    memberships = []
    for topic in topics:
        membership = find(served, topic)
        if membership is None:
            return _refusal(404, f"There is no topic {printable(topic)!r}.")
        if not await allowed(membership.channel.can_join, user, membership.parameters):
            return _refusal(403, f"You may not join {printable(topic)!r}.")
        memberships.append(membership)
    places = event_stream.read_places(request.headers.get("Last-Event-ID") or request.GET.get("last", ""), len(topics))
    subscriber = Subscriber(served, {"session": getattr(request, "session", None)}, user)
    return StreamingHttpResponse(
        subscriber.run(memberships, places, history=max(0, min(history, served.config.relay.history))),
        content_type="text/event-stream",
        headers={
            "Cache-Control": "no-cache, no-transform",
            # nginx would keep it until its buffer is full, and Django's GZipMiddleware would compress it.
            "X-Accel-Buffering": "no",
            "Content-Encoding": "identity",
        },
    )


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

    async def run(
        self, memberships: Sequence[Membership], places: Sequence[Place], *, history: int
    ) -> AsyncIterator[bytes]:
        """Join the topics, and yield the stream until the browser goes or may not stay.

        Args:
            places: where it was, for each topic.
            history: how many messages it wants where it has not been.
        """
        relay = self.bus.config.relay
        guard = guard_of(self.bus)
        guard.add(self)
        try:
            await sync_to_async(_let_go)()
            # Each browser has a time of its own, so that they do not come back together after a restart.
            yield event_stream.retry(int(LEAST_RETRY_MS + random() * relay.spread_s * 1000))
            self._places = {each.topic: place for each, place in zip(memberships, places, strict=True)}
            for membership in memberships:
                await self._enter(membership, history)
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
        self._put(item)
        if len(self._queue) > self.bus.config.relay.queue and not self._counting:
            # A burst may come in one turn of the loop, and the reader has not been asked yet.
            self._counting = True
            asyncio.get_running_loop().call_soon(self._count)

    def _count(self) -> None:
        self._counting = False
        if len(self._queue) > self.bus.config.relay.queue:
            self.close(Close.TOO_SLOW)

    def _put(self, what: Item | _Began | bytes) -> None:
        self._queue.append(what)
        self._awake.set()

    async def _enter(self, membership: Membership, history: int) -> None:
        topic, place = membership.topic, self._places[membership.topic]
        self._topics[topic] = membership
        joined = await self._rooms.join(topic, membership.channel, self, place.position, history=history)
        if self.is_closed or topic not in self._topics:  # thrown out meanwhile
            self._rooms.leave(topic, self)
            return
        self._put(_Began(topic, joined, is_lost=place.has_been and joined.recovered is not True))

    def _take(self) -> bytes:
        """Return all that waits, as it is in the stream.

        An id goes with what it covers: who is cut off between two events comes back for the second.
        """
        told: list[bytes] = []
        while self._queue:
            each = self._queue.popleft()
            if isinstance(each, _Began):
                self._begin(each, told)
            elif isinstance(each, bytes):
                told.append(each)
            else:
                if each.position is not None or each.event is None:
                    told.append(self._move(each.topic, each.position))
                told.append(event_stream.item(each))
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
            self._queue.clear()  # it comes back for it
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

    def _end(self) -> None:
        self.is_closed = True
        self._awake.set()

    def _gone(self) -> None:
        self.is_closed = True
        self._queue.clear()
        for topic in self._topics:
            self._rooms.leave(topic, self)
        self._topics.clear()


def _let_go() -> None:
    """Close the database connections that the session was read with: a stream stays for hours, and its thread too."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


def _refusal(status: int, text: str) -> HttpResponse:
    return HttpResponse(
        f"{text}\n", status=status, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"}
    )
