"""The web application of one side: sockets that join a room and get what is said in it.

A client connects, sends `{"do": "join", "topic": …}`, is told `"joined"` when it will miss nothing any more, and then
gets every message with its room around it. By hand this is done with a hub; with `channels_redis` by groups.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import redis.asyncio
from channels.generic.websocket import AsyncWebsocketConsumer

if TYPE_CHECKING:
    from .job import Job

PATH = "bus/"
QUEUE = 256
"""Messages that wait for one socket; the same as the bus's own default."""
TOO_SLOW = 4408


def by_hand(job: Job) -> type[AsyncWebsocketConsumer]:
    """One subscription per process and room; a message's text is made once; a bounded queue per socket."""
    hub = Hub(job.url)

    class Consumer(AsyncWebsocketConsumer):
        room: Room | None = None
        writer: asyncio.Task[None] | None = None

        async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
            topic = json.loads(text_data or "")["topic"]
            self.queue: asyncio.Queue[str | None] = asyncio.Queue(QUEUE + 1)
            self.writer = asyncio.create_task(self.write())
            self.room = await hub.join(topic, self)
            await self.send(joined(topic))

        def push(self, text: str) -> None:
            if self.queue.qsize() < QUEUE:
                self.queue.put_nowait(text)
            elif self.room is not None:
                self.room.members.discard(self)
                while not self.queue.empty():
                    self.queue.get_nowait()
                self.queue.put_nowait(None)

        async def write(self) -> None:
            while (text := await self.queue.get()) is not None:
                await self.send(text)
            await self.close(TOO_SLOW)

        async def disconnect(self, code: int) -> None:
            if self.room is not None:
                self.room.members.discard(self)
            if self.writer is not None:
                self.writer.cancel()

    return Consumer


class Room:
    def __init__(self) -> None:
        self.members: set[Any] = set()
        self.subscribed = asyncio.Event()


class Hub:
    """The rooms of this process and their one connection."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._rooms: dict[str, Room] = defaultdict(Room)
        self._pubsub: Any = None
        self._reader: asyncio.Task[None] | None = None

    async def join(self, topic: str, member: Any) -> Room:
        is_new = topic not in self._rooms
        room = self._rooms[topic]
        if is_new:
            if self._pubsub is None:
                self._pubsub = redis.asyncio.Redis.from_url(self._url).pubsub()
            await self._pubsub.subscribe(topic)
            if self._reader is None:
                self._reader = asyncio.create_task(self._read())
        await room.subscribed.wait()
        room.members.add(member)
        return room

    async def _read(self) -> None:
        async for message in self._pubsub.listen():
            topic = message["channel"].decode()
            room = self._rooms[topic]
            if message["type"] == "subscribe":
                room.subscribed.set()
                continue
            text = f'{{"do":"event","topic":"{topic}","event":{message["data"].decode()}}}'
            for member in tuple(room.members):
                member.push(text)


def by_layer(job: Job) -> type[AsyncWebsocketConsumer]:
    """A group of the channel layer per room."""

    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
            topic = json.loads(text_data or "")["topic"]
            await self.channel_layer.group_add(group_of(topic), self.channel_name)
            await self.send(joined(topic))

        async def said(self, event: dict[str, str]) -> None:
            await self.send(event["text"])

    return Consumer


def group_of(topic: str) -> str:
    """Return the group of a room: a group's name may not hold a colon."""
    return topic.replace(":", ".")


def joined(topic: str) -> str:
    return json.dumps({"do": "joined", "topic": topic})
