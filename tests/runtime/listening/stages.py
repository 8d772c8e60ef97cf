"""A connection whose every answer a test gives, and a Live that uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from django_redis_bus.core.exceptions import Unavailable
from django_redis_bus.core.subscribing import Key
from django_redis_bus.runtime.listening.live import Live


class Link:
    """A connection that answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self.answers: asyncio.Queue[list[Any] | None] = asyncio.Queue()
        self.count = 0
        self.is_closed = False

    async def open(self) -> None: ...

    def subscribe(self, keys: Iterable[Key]) -> None:
        self.asked += [("psubscribe" if key.is_pattern else "subscribe", key.name) for key in keys]

    def unsubscribe(self, keys: Iterable[Key]) -> None:
        self.asked += [("unsubscribe", key.name) for key in keys]

    async def read(self) -> list[Any]:
        replies = await self.answers.get()
        if replies is None:
            raise Unavailable("closed")
        return replies

    def cut(self) -> None:
        self.answers.put_nowait(None)

    async def close(self) -> None:
        self.is_closed = True

    # --- what the test does

    def confirm(self, most: int = 100) -> list[Any]:
        """The confirmations of what was asked next."""
        asked, self.asked = self.asked[:most], self.asked[most:]
        replies = []
        for kind, name in asked:
            self.count += -1 if kind == "unsubscribe" else 1
            replies.append([kind.encode(), name, self.count])
        return replies

    async def say(self, *replies: list[Any]) -> None:
        self.answers.put_nowait(list(replies))
        for _ in range(5):
            await asyncio.sleep(0)


class Stage:
    """A Live, its connections one after the other, and what was heard."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.heard: list[Any] = []
        self.live = Live(self.connect, where="here", prefix="", luck=lambda: 1.0)

    def connect(self) -> Link:
        self.links.append(Link())
        return self.links[-1]

    def message(self, topic: str, data: bytes, pattern: str | None) -> None:
        self.heard.append(f"{topic}={data.decode()}")

    async def link(self, count: int) -> Link:
        """Wait for the connection of this number, and until it was asked for something."""
        async with asyncio.timeout(5):
            while len(self.links) < count or not self.links[count - 1].asked:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        return self.links[count - 1]

    async def attach(self, *channels: str, patterns: Iterable[str] = ()) -> Any:
        """Attach, confirmed at once."""
        attaching = asyncio.create_task(
            self.live.attach(
                channels=channels, patterns=patterns, on_message=self.message, on_gap=self.heard.append, deadline_s=5
            )
        )
        link = await self.link(max(1, len(self.links)))
        await link.say(*link.confirm())
        return await attaching
