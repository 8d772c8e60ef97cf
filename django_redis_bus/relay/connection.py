"""Connection: one browser's socket, what it asks for, and what it is in."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from time import monotonic
from typing import Any

from ..access import allowed
from ..bus import Bus
from ..core.exceptions import BusError, EventTooLarge, PayloadError, Unavailable
from ..core.telling import loggable, printable
from ..core.topics import Address
from . import protocol
from .identity import session_mark, shown
from .limits import Bucket
from .members import Item
from .outgoing import Outgoing, Send
from .presence import presence_of
from .protocol import Close
from .rooms import rooms_of
from .timeline import Position
from .topics import Membership, find

logger = logging.getLogger("django_redis_bus.relay")

PATIENCE = 20
"""Frames in a row that are refused for being too many, before the socket is closed."""
PERHAPS_SENT = "Redis did not answer: the message may have been sent"


class Connection:
    """One socket. It is a member of its rooms: see members.Member.

    Args:
        bus: whose topics it may join.
        scope: of the ASGI connection.
        user: who is at the other end.
        send: of the ASGI connection.
        hang_up: closes the socket with a code; returns at once.
    """

    # A process has thousands of them.
    __slots__ = (
        "_entering", "_frames", "_hang_up", "_limits", "_presence", "_published", "_rooms", "bus", "is_closed",
        "outgoing", "scope", "session", "shown", "socket", "topics", "user",
    )  # fmt: skip

    def __init__(self, bus: Bus, scope: dict[str, Any], user: Any, send: Send, hang_up: Callable[[int], None]) -> None:
        self.bus = bus
        self.scope = scope
        self.user = user
        self.shown = shown(user, bus.config.relay.identity)
        self.session = session_mark(scope)
        self.socket = os.urandom(9).hex()
        self.topics: dict[str, Membership] = {}
        self.is_closed = False
        self._hang_up = hang_up
        self._limits = bus.config.relay
        self._rooms = rooms_of(bus)
        self._presence = presence_of(bus)
        self._entering: dict[str, list[Item]] = {}
        self.outgoing = Outgoing(send, most=self._limits.queue, overflowed=self._too_slow)
        now_s, limits = monotonic(), self._limits
        # Who comes back with all rooms joins them at once.
        self._frames = Bucket(rate=limits.rate, burst=limits.burst + limits.rooms, now_s=now_s)
        self._published = Bucket(rate=limits.rate, burst=limits.burst, now_s=now_s)

    # --- to the client

    def push(self, item: Item) -> None:
        """Take an item of a room."""
        if self._entering and (held := self._entering.get(item.topic)) is not None:
            held.append(item)
        else:
            self.outgoing.put(item.frame)

    def say(self, text: str) -> None:
        """Send a frame."""
        self.outgoing.put_text(text)

    def welcome(self) -> None:
        """Send the first frame."""
        limits = self._limits
        self.say(
            protocol.welcome(
                user=self.shown,
                spread_ms=int(limits.spread_s * 1000),
                keepalive_ms=int(limits.keepalive_s * 1000),
                message_bytes=limits.message_bytes,
            )
        )

    def close(self, code: int) -> None:
        """End it: out of every room at once; the code is sent as soon as the socket takes it."""
        if not self.is_closed:
            self.gone()
            self._hang_up(code)

    def gone(self) -> None:
        """The socket has ended: leave every room."""
        self.is_closed = True
        self.outgoing.close()
        for topic in list(self.topics):
            self._leave(topic, at_once=False)

    def _too_slow(self) -> None:
        self.close(Close.TOO_SLOW)

    # --- from the client

    async def take(self, text: str) -> None:
        """Do what a frame asks for."""
        now_s, limits = monotonic(), self._limits
        if len(text) > limits.message_bytes or len(text) * 4 > limits.message_bytes < len(text.encode()):
            self._refuse_large(text)
            return
        try:
            frame = protocol.read(text)
        except protocol.Malformed as error:
            if error.hopeless:
                self.close(Close.BAD_FRAME)
                return
            if self._may_ask(now_s, error.id):
                self.say(protocol.error("bad_frame", str(error), id=error.id))
            return
        if not self._may_ask(now_s, frame.id, frame):
            return
        if isinstance(frame, protocol.Ping):
            self.say(protocol.frame("pong", frame.id))
        elif isinstance(frame, protocol.Join):
            # An answer may be a thousand times as long as its question: who does not read them gets one at a time.
            await self.outgoing.almost_sent()
            if not self.is_closed:
                await self._join(frame)
        elif isinstance(frame, protocol.Leave):
            self._leave(frame.topic, at_once=True)
            self.say(protocol.frame("left", frame.id, topic=frame.topic))
        else:
            await self._publish(frame)

    def _refuse_large(self, text: str) -> None:
        if len(text) > protocol.HUGE * self._limits.message_bytes:
            self.close(Close.TOO_LARGE)
            return
        try:
            asked = protocol.id_of(text)
        except protocol.Malformed:
            self.close(Close.BAD_FRAME)
        else:
            said = f"a frame has at most {self._limits.message_bytes} bytes"
            if self._may_ask(monotonic(), asked):
                self.say(protocol.error("too_large", said, id=asked))

    def _may_ask(self, now_s: float, asked: protocol.Id, frame: protocol.Frame | None = None) -> bool:
        """Count a frame, good or bad; refuse it if there have been too many."""
        if self._frames.take(now_s) and (not isinstance(frame, protocol.Publish) or self._published.take(now_s)):
            return True
        if self._frames.refused + self._published.refused > PATIENCE:
            self.close(Close.TOO_FAST)
        else:
            said, topic = f"at most {self._limits.rate:g} frames a second", getattr(frame, "topic", None)
            self.say(protocol.error("too_fast", said, id=asked, topic=topic))
        return False

    def _refuse(self, frame: protocol.Join | protocol.Publish, code: protocol.Code, said: str) -> None:
        self.say(protocol.error(code, said, id=frame.id, topic=frame.topic))

    # --- rooms

    async def _join(self, frame: protocol.Join) -> None:
        topic = frame.topic
        membership = self.topics.get(topic) or find(self.bus, topic)
        if membership is None:
            self._refuse(frame, "unknown_topic", "there is no such topic")
            return
        if topic not in self.topics and len(self.topics) >= self._limits.rooms:
            self._refuse(frame, "too_many_rooms", f"a connection is in at most {self._limits.rooms} rooms")
            return
        if not await self._may_join(membership):
            self._refuse(frame, "forbidden", "you may not join this topic")
            return
        position = Position(frame.epoch, frame.offset) if frame.epoch is not None and frame.offset is not None else None
        history = max(0, min(frame.history, self._limits.history))
        try:
            await self._enter(membership, position, history, id=frame.id)
        except BusError as error:
            _log(error)
            self._refuse(frame, "unavailable", "the topic cannot be joined just now")

    async def push_topic(self, topic: str) -> None:
        """Let it into a room that it has not asked for: the settings have. Raises BusError."""
        membership = find(self.bus, topic)
        if membership is None:
            raise PayloadError(f"RELAY['push']: {topic!r} is no declared channel of bus {self.bus.alias!r}.")
        membership.pushed = True
        await self._enter(membership, None, 0, pushed=True)

    async def _may_join(self, membership: Membership) -> bool:
        """Ask the rules anew."""
        channel, parameters = membership.channel, membership.parameters
        if not membership.pushed and not await allowed(channel.can_join, self.user, parameters):
            return False
        membership.can_publish = await allowed(channel.can_publish, self.user, parameters)
        return True

    async def _enter(self, membership: Membership, position: Position | None, history: int, **parts: Any) -> None:
        topic, channel = membership.topic, membership.channel
        self._rooms.leave(topic, self)  # who joins again goes on from the place that it names, and from no other
        self.topics[topic] = membership
        self._entering[topic] = []
        try:
            joined = await self._rooms.join(topic, channel, self, position, history=history)
            if channel.presence:
                parts["members"] = await self._presence.enter(topic, self.socket, self.shown)
        except BaseException:
            self._entering.pop(topic, None)
            self._leave(topic, at_once=True)
            raise
        held = self._entering.pop(topic)
        if self.is_closed or topic not in self.topics:  # closed, or thrown out, meanwhile
            self._rooms.leave(topic, self)
            self._presence.leave(topic, self.socket, at_once=True)
            return
        self.say(protocol.joined(topic, joined, can_publish=membership.can_publish, **parts))
        for item in held:
            self.outgoing.put(item.frame)

    def _leave(self, topic: str, *, at_once: bool) -> None:
        if self.topics.pop(topic, None) is not None:
            self._rooms.leave(topic, self)
            self._presence.leave(topic, self.socket, at_once=at_once)

    async def recheck(self) -> None:
        """Ask the rules of every room it is in again, as the user it is now."""
        for topic, membership in list(self.topics.items()):
            if not await self._may_join(membership) and self.topics.get(topic) is membership:
                self._leave(topic, at_once=True)
                self.say(protocol.frame("left", topic=topic, why="forbidden"))

    # --- publish

    async def _publish(self, frame: protocol.Publish) -> None:
        topic, asked = frame.topic, frame.id
        membership = self.topics.get(topic)
        if membership is None:
            self._refuse(frame, "not_joined", "join the topic first")
            return
        if not membership.can_publish:
            self._refuse(frame, "forbidden", "you may not publish here")
            return
        if frame.type is not None and frame.type.startswith("bus."):
            self._refuse(frame, "invalid_payload", "types that begin with bus. are reserved")
            return
        author = self.shown
        named = {"authorid": author.id, "authorname": author.name} if author else {}
        options: dict[str, Any] = {"extensions": {name: value for name, value in named.items() if value}}
        if frame.type is not None:
            options["type"] = frame.type
        if frame.ephemeral:
            options["ephemeral"] = True
        try:
            published = await self.bus.apublish(Address(membership.channel, topic), frame.data, **options)
        except EventTooLarge as error:
            self._refuse(frame, "too_large", str(error))
        except PayloadError as error:
            self._refuse(frame, "invalid_payload", str(error))
        except BusError as error:
            _log(error)
            if isinstance(error, Unavailable) and error.perhaps_sent:
                self._refuse(frame, "unknown", PERHAPS_SENT)
            else:
                self._refuse(frame, "unavailable", "the message could not be sent")
        else:
            if published.state == "dropped":
                self._refuse(frame, "unknown", PERHAPS_SENT)
                return
            offset = {} if published.offset is None else {"offset": published.offset}
            self.say(protocol.frame("published", asked, topic=topic, event_id=published.event_id, **offset))


def _log(error: BusError) -> None:
    if not isinstance(error, Unavailable):  # an outage is told by those who listen and publish
        told, exc_info = loggable(error)
        logger.error(
            "The relay could not do what a browser asked for: %s%s", printable(str(error)), told, exc_info=exc_info
        )
