"""Presence: who is in the rooms of this process, told to Redis, where the processes of a project meet."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from ..bus import Bus
from ..core.exceptions import BusError
from ..core.keys import ChannelKeys, stream_key
from ..core.telling import printable
from ..transport.presence import Announcement, Present, apresent
from .loops import PerLoop
from .members import Item
from .protocol import User, opening

logger = logging.getLogger("django_redis_bus.relay")

BEATS = 3
"""Signs of life per expiry: two may be lost."""
GRACE_S = 2.0
"""A socket that was closed is missed after this: a page that is loaded anew comes back at once."""

JOINED = "bus.presence.joined"
LEFT = "bus.presence.left"
MEMBERS = "bus.presence.members"
_encode = msgspec.json.Encoder().encode


class Presence:
    """The sockets of one bus in one event loop that others may see; made by `presence_of`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._expiry_s = bus.config.relay.presence_s
        self._loop = asyncio.get_running_loop()
        self._here: dict[str, dict[str, Present]] = {}
        self._gone: dict[str, dict[str, Present]] = {}
        self._beating: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None

    async def enter(self, topic: str, socket: str, user: User | None) -> list[msgspec.Raw] | None:
        """Note that a user is here by one more socket; return who is, or None if Redis cannot say.

        Somebody who is not logged in sees who is here, and is not seen.
        """
        self._gone.get(topic, {}).pop(socket, None)
        present: list[Present] = []
        if user is not None:
            here = Present(socket=socket, user=user.id, member=_encode(user))
            self._here.setdefault(topic, {})[socket] = here
            present = [here]
            if self._beating is None:
                self._beating = self._loop.create_task(self._beat())
        try:
            return [msgspec.Raw(member) for member in await self._tell(topic, present, [], wanted=True)]
        except BusError as error:
            # The next beat says it again.
            logger.debug("Presence in %s is not known: %s", printable(topic), error)
            return None

    def leave(self, topic: str, socket: str, *, at_once: bool) -> None:
        """Note that a socket is gone; its user is missed when it was the last one."""
        here = self._here.get(topic)
        if here is None or socket not in here:
            return
        if not at_once:
            self._loop.call_later(GRACE_S, lambda: self.leave(topic, socket, at_once=True))
            return
        self._gone.setdefault(topic, {})[socket] = here.pop(socket)
        if not here:
            del self._here[topic]
        if self._telling is None:
            self._telling = self._loop.create_task(self._tell_gone())

    async def tell_members(self, topic: str, tell: Callable[[Item], None]) -> None:
        """Tell a room of this process who is there, as an event that nobody has published."""
        try:
            members = await self._tell(topic, list(self._here.get(topic, {}).values()), [], wanted=True)
        except BusError:
            return  # the subscription will be interrupted once more, or the next to join asks
        pieces = _announcement(self._bus.config.source)
        listed = b'"members":[' + b",".join(members) + b"]"
        raw = pieces.head + b"0" + pieces.before_type + MEMBERS.encode() + pieces.before_member
        text = (raw.removesuffix(b'"member":') + listed + pieces.tail).decode()
        frame = {"type": "websocket.send", "text": f"{opening(topic)}{text}}}"}
        tell(Item(topic=topic, event=text, position=None, frame=frame))

    async def aclose(self) -> None:
        """Stop; those who were here are missed when they expire."""
        for task in (self._beating, self._telling):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        self._beating = self._telling = None
        self._here.clear()

    async def _tell_gone(self) -> None:
        while self._gone:
            topic, sockets = self._gone.popitem()
            try:
                await self._tell(topic, [], list(sockets.values()))
            except BusError as error:
                logger.debug("Presence in %s: leavers expire by themselves: %s", printable(topic), error)
        self._telling = None

    async def _beat(self) -> None:
        while self._here:
            await asyncio.sleep(self._expiry_s / BEATS)
            for topic in list(self._here):
                try:
                    await self._tell(topic, list(self._here.get(topic, {}).values()), [])
                except BusError as error:
                    logger.debug("Presence cannot be told: %s", error)
                    break  # the others would wait for the same Redis
                except Exception:
                    logger.exception("Presence in %s cannot be told", printable(topic))
        self._beating = None

    async def _tell(
        self, topic: str, present: list[Present], gone: list[Present], *, wanted: bool = False
    ) -> list[bytes]:
        config = self._bus.config
        keys = ChannelKeys(stream_key(config.key_prefix, topic))
        return await apresent(
            self._bus.clients,
            keys,
            present=present,
            gone=gone,
            expiry_ms=int(self._expiry_s * 1000),
            announcement=_announcement(config.source),
            wanted=wanted,
            deadline_s=config.deadline_s,
        )


def _announcement(source: str) -> Announcement:
    """Return the pieces of the event that tells of somebody, around its number, its type and the member."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Announcement(
        head=f'{{"specversion":"1.0","id":"{os.urandom(12).hex()}-'.encode(),
        before_type=b'","source":' + _encode(source) + b',"type":"',
        before_member=f'","time":"{now}","datacontenttype":"application/json","data":{{"member":'.encode(),
        tail=b'},"ephemeral":true}',
        joined=JOINED.encode(),
        left=LEFT.encode(),
    )


presence_of = PerLoop(Presence)
"""Returns the presence of a bus in the running event loop."""
