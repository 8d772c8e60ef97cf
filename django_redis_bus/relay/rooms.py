"""Rooms: every room of one bus in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from ..announcing import TOPICS, Announcer
from ..bus import Bus
from ..core.exceptions import BusError, Unavailable
from ..core.topics import ChannelTopic
from .loops import PerLoop
from .members import Joined, Member
from .presence import presence_of
from .room import Room
from .source import BusSource
from .timeline import Position

LINGER_S = 5.0
"""How long a room without members stays: a page that is loaded anew comes back at once."""
ASKING = 16
"""Rooms that ask Redis at the same time: after a reconnect all of them have to."""
FAIL_FAST_S = 1.0
"""So long after Redis could not be reached, no further room tries: a page that joins fifty would wait for each."""


class Rooms:
    """The rooms of one bus in the running event loop; made by `rooms_of`."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._loop = asyncio.get_running_loop()
        self._rooms: dict[str, Room] = {}
        self._asking = asyncio.Semaphore(ASKING)
        self._working: set[asyncio.Task[None]] = set()
        self._failed_at = float("-inf")
        self._telling: asyncio.Task[None] | None = None
        """Tells operators of this process, as long as it has rooms."""

    def __len__(self) -> int:
        return len(self._rooms)

    def get(self, topic: str) -> Room | None:
        """Return the room of a topic, if this process has it open."""
        return self._rooms.get(topic)

    async def join(
        self, topic: str, channel: ChannelTopic, member: Member, position: Position | None = None, *, history: int = 0
    ) -> Joined:
        """Let a member into the room of a topic. See Room.join; whether it may come in has been asked before.

        Nothing has been pushed to the member when this returns: use the answer before the next await.
        """
        room = self._rooms.get(topic)
        known = room is not None and room.is_open
        if not known and self._loop.time() - self._failed_at < FAIL_FAST_S:
            raise Unavailable(f"Redis at {self.bus.clients.where} did not answer a moment ago")
        if room is None or not room.may_open:
            room = self._rooms[topic] = self._make(topic, channel)
        try:
            return await room.join(member, position, history)
        except BusError as error:
            if isinstance(error, Unavailable) and not room.is_open:  # all else is the trouble of this topic alone
                self._failed_at = self._loop.time()
            if not room.may_open:
                self._drop(room)
            raise
        finally:
            self._look_after(room)

    def leave(self, topic: str, member: Member) -> None:
        """Let a member out, if it is in. The last one out leaves the subscription to be closed a little later."""
        room = self._rooms.get(topic)
        if room is not None:
            room.leave(member)
            self._look_after(room)

    async def aclose(self) -> None:
        """Close every room: before the end of an event loop of your own."""
        for room in list(self._rooms.values()):
            self._drop(room)
        while self._working:
            await asyncio.wait(self._working)

    def _facts(self) -> dict[str, Any]:
        """Return what operators see of this process."""
        by_size = sorted(self._rooms.values(), key=lambda room: -len(room.members))
        counts = self.bus.live.counts
        return {
            "topics": [room.topic for room in by_size[:TOPICS]],
            "sockets": sum(len(room.members) for room in by_size),
            "delivered": counts["received"],
            "gaps": counts["gaps"],
        }

    def _make(self, topic: str, channel: ChannelTopic) -> Room:
        if self._telling is None:
            self._telling = self._start(Announcer(self.bus, "relay", self._facts).run())
        relay = self.bus.config.relay
        source = BusSource(self.bus, channel, topic, self._asking)
        return Room(
            source,
            most=relay.history,
            patience_s=3 * self.bus.config.deadline_s + 0.5,  # attaching, and reading the history once or twice
            healed=self._tell_members if channel.presence else lambda room: None,
        )

    def _tell_members(self, room: Room) -> None:
        """Tell a room who is there: comings and goings may have been missed."""
        self._start(presence_of(self.bus).tell_members(room.topic, room.tell))

    def _look_after(self, room: Room) -> None:
        if _is_idle(room) and self._rooms.get(room.topic) is room:
            room.idle_since = self._loop.time()
            self._loop.call_later(LINGER_S, self._end, room, room.idle_since)

    def _end(self, room: Room, idle_since: float) -> None:
        if _is_idle(room) and room.idle_since == idle_since and self._rooms.get(room.topic) is room:
            self._drop(room)

    def _drop(self, room: Room) -> None:
        if self._rooms.get(room.topic) is room:
            del self._rooms[room.topic]
        self._start(room.close())
        if not self._rooms and self._telling is not None:
            self._telling.cancel()
            self._telling = None

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return task


def _is_idle(room: Room) -> bool:
    return not room.members and not room.joining


rooms_of = PerLoop(Rooms)
"""Returns the rooms of a bus in the running event loop."""
