"""An EventSource for the tests: requests to Django's ASGI handler, without a server between."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

from django.core.asgi import get_asgi_application

from django_redis_bus.bus import buses
from django_redis_bus.relay.rooms import rooms_of

LOBBY = "chat:lobby"


class Parser:
    """text/event-stream, as https://html.spec.whatwg.org/multipage/server-sent-events.html has it."""

    def __init__(self) -> None:
        self.last_id = ""
        self.retry_ms: int | None = None
        self.comments: list[str] = []
        self._rest = b""
        self._data: list[str] = []
        self._name = ""

    def feed(self, chunk: bytes) -> list[tuple[str, Any]]:
        """Return the events that are complete now: (name, data as JSON)."""
        *lines, self._rest = (self._rest + chunk).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        found = []
        for line in lines:
            name, _, value = line.decode().partition(":")
            value = value.removeprefix(" ")
            if not line:
                if self._data:
                    found.append((self._name or "message", json.loads("\n".join(self._data))))
                self._data, self._name = [], ""
            elif not name:
                self.comments.append(value)
            elif name == "data":
                self._data.append(value)
            elif name == "event":
                self._name = value
            elif name == "id":
                self.last_id = value
            elif name == "retry":
                self.retry_ms = int(value)
        return found


class EventSource:
    """One request. It reads at once unless it is `paused`.

    Args:
        topics, query: of the address.
        last_id: what a browser says when it comes back.
    """

    def __init__(
        self, *topics: str, last_id: str = "", method: str = "GET", headers: dict[str, str] | None = None, **query: Any
    ) -> None:
        fields = {"Last-Event-ID": last_id} if last_id else {}
        self.parser = Parser()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.is_paused = False
        self._events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._gone = asyncio.Event()
        self._asked = False
        self._answered = asyncio.Event()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": "/bus/events/",
            "query_string": urlencode([("topic", each) for each in topics] + list(query.items())).encode(),
            "headers": [
                (name.lower().encode(), value.encode())
                for name, value in ({"Host": "testserver"} | fields | (headers or {})).items()
            ],
            "server": ("testserver", 80),
        }
        self.task = asyncio.create_task(self._run(scope))

    async def _run(self, scope: dict[str, Any]) -> None:
        try:
            await get_asgi_application()(scope, self._receive, self._send)
        finally:
            self._answered.set()

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            self._answered.set()
            return
        await self._may_read.wait()
        self.body += message.get("body", b"")
        if self.status == 200:
            for each in self.parser.feed(message.get("body", b"")):
                self._events.put_nowait(each)

    async def answer(self) -> EventSource:
        """Wait until the status is known."""
        async with asyncio.timeout(5):
            await self._answered.wait()
        return self

    async def refused(self) -> tuple[int, str]:
        """The status and the text of an answer that is no stream."""
        async with asyncio.timeout(5):
            await self.task
        return self.status, self.body.decode().strip()

    async def next(self) -> tuple[str, Any]:
        async with asyncio.timeout(5):
            return await self._events.get()

    async def joined(self) -> EventSource:
        """Wait until the first topic is joined; nothing came before."""
        name, data = await self.next()
        assert name == "joined", (name, data)
        return self

    async def take(self, count: int) -> list[Any]:
        """The data of the next messages; of others their names."""
        found = []
        for _ in range(count):
            name, data = await self.next()
            found.append(data["event"]["data"] if name == "message" else name)
        return found

    @property
    def waiting(self) -> int:
        return self._events.qsize()

    @property
    def may_read(self) -> bool:
        return self._may_read.is_set()

    def pause(self) -> None:
        self._may_read.clear()

    def go_on(self) -> None:
        self._may_read.set()

    async def ended(self) -> None:
        """Wait until the server has ended it."""
        await self._over()

    async def leave(self) -> None:
        """Go away, as a browser does."""
        self._gone.set()
        self._may_read.set()
        await self._over()

    async def _over(self) -> None:
        async with asyncio.timeout(5):
            await asyncio.wait([self.task])
        if not self.task.cancelled():  # as who reads nothing is; Django 5.2 takes the cancellation for a disconnect
            self.task.result()


def members(topic: str) -> int:
    room = rooms_of(buses["default"]).get(topic)
    return len(room.members) if room else 0
