"""A browser for the tests: a socket to the relay, without a server between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser

from django_redis_bus import Channel, registry
from django_redis_bus.bus import buses
from django_redis_bus.relay.consumers import RoomConsumer
from django_redis_bus.relay.guard import guard_of
from django_redis_bus.relay.presence import presence_of
from django_redis_bus.relay.rooms import rooms_of

ORIGIN = [(b"origin", b"http://testserver")]


def person(pk: int, name: str, **more: Any) -> Any:
    """A user that is in no database."""
    rest = {"is_authenticated": True, "is_active": True, "is_staff": False} | more
    return SimpleNamespace(pk=pk, get_username=lambda: name, **rest)


class Browser:
    """One socket: what it says, and what it is told, frame by frame."""

    def __init__(self, *, user: Any = None, headers: Any = None, path: str = "/bus/", app: Any = None) -> None:
        self.socket = WebsocketCommunicator(app or RoomConsumer.as_asgi(), path, headers=headers or ORIGIN)
        if user != "from session":
            self.socket.scope["user"] = user or AnonymousUser()
        self.welcome: dict[str, Any] = {}
        self._ids = 0

    async def connect(self) -> Browser:
        connected, _ = await self.socket.connect(timeout=5)
        assert connected
        self.welcome = await self.next()
        assert self.welcome["do"] == "welcome"
        return self

    async def say(self, do: str, **parts: Any) -> None:
        await self.socket.send_to(text_data=json.dumps({"do": do} | parts))

    async def next(self, timeout_s: float = 5.0) -> dict[str, Any]:
        """The next frame."""
        frame: dict[str, Any] = json.loads(await self.socket.receive_from(timeout=timeout_s))
        return frame

    async def until(self, do: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The next frame of a kind, and those before it."""
        before = []
        while (frame := await self.next())["do"] != do:
            before.append(frame)
        return frame, before

    async def ask(self, do: str, **parts: Any) -> dict[str, Any]:
        """Say something and return the answer to it; what came before is in `passed`."""
        self._ids += 1
        await self.say(do, id=self._ids, **parts)
        self.passed = []
        while (frame := await self.next()).get("id") != self._ids:
            self.passed.append(frame)
        return frame

    async def join(self, topic: str, **parts: Any) -> dict[str, Any]:
        return await self.ask("join", topic=topic, **parts)

    async def events(self, count: int) -> list[Any]:
        """The data of the next events."""
        frames = [await self.next() for _ in range(count)]
        assert [frame["do"] for frame in frames] == ["event"] * count, frames
        return [frame["event"]["data"] for frame in frames]

    async def is_silent(self, for_s: float = 0.1) -> bool:
        return bool(await self.socket.receive_nothing(timeout=for_s))

    async def close_code(self) -> int:
        """The code that it is closed with; frames before it are dropped."""
        while (message := await self.socket.receive_output(timeout=10))["type"] != "websocket.close":
            pass
        return int(message["code"])

    async def close(self) -> None:
        await self.socket.disconnect()


@pytest.fixture
async def browser(bus_settings: Any) -> AsyncIterator[Callable[..., Any]]:
    """A factory of connected browsers: await browser(user=person(7, "ada"))."""
    made: list[Browser] = []

    async def make(**options: Any) -> Browser:
        made.append(Browser(**options))
        return await made[-1].connect()

    yield make
    for each in made:
        if not each.socket.future.done():
            await each.close()
    await close_relay()


async def close_relay() -> None:
    bus = buses["default"]
    await guard_of(bus).aclose()
    await presence_of(bus).aclose()
    await rooms_of(bus).aclose()
    await bus.aclose()


@pytest.fixture
def channel(bus_settings: Any) -> Iterator[Callable[..., Any]]:
    """A factory of channels that exist for this test: channel("chat:{room}", history=10)."""
    made: list[Channel] = []

    def make(name: str, **options: Any) -> Channel:
        made.append(Channel(name, **options))
        return made[-1]

    yield make
    for each in made:
        registry.remove_channel(each)


async def eventually(met: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(within_s):
        while not met():  # noqa: ASYNC110  # what is waited for sends no signal
            await asyncio.sleep(0.01)
