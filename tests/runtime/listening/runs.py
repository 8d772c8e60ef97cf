"""A listener at work, with what it works with."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from django_redis_bus.core.events import Event
from django_redis_bus.core.exceptions import UnreadableEntry
from django_redis_bus.core.gaps import Gap
from django_redis_bus.core.listeners import Listener
from django_redis_bus.runtime.listening.queues import ListenerQueue, queue_for
from django_redis_bus.runtime.listening.worker import ListenerWorker

LOST = Gap(topics=("t",), reason="lost", seconds=1)


class PlainReading:
    """The bytes as data; "bad" cannot be read, "secret" must not be shown."""

    def event(self, topic: str, data: bytes) -> Event[Any]:
        if data == b"bad":
            raise UnreadableEntry("invalid_payload", "secret is \x1b[31m no number")
        return Event(id="1", source="s", type="chat", data=data.decode(), topic=topic)

    def values(self, topic: str) -> dict[str, Any]:
        return {"room": topic.partition(":")[2]}

    def scrubber(self, topic: str, data: bytes, event: Event[Any] | None) -> Callable[[str], str]:
        return lambda text: text.replace("secret", "[redacted]")


class Care:
    """Notes in which thread connections were looked after."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def _note(self, what: str) -> None:
        self.seen.append((what, threading.current_thread().name))

    def begin(self) -> None:
        self._note("begin")

    def failed(self) -> None:
        self._note("failed")

    async def abegin(self) -> None:
        self._note("begin")

    async def afailed(self) -> None:
        self._note("failed")


class Run:
    """A worker with what it works with."""

    def __init__(self, fn: Callable[..., Any], **options: Any) -> None:
        self.counts: Counter[str] = Counter()
        self.care = Care()
        self.ended: list[str] = []
        self.queue: ListenerQueue = queue_for(
            ("t",), limit=10_000, overflow="drop_oldest", pressed=[], counts=self.counts
        )
        listener = Listener(name="shop.it", fn=fn, is_async=inspect.iscoroutinefunction(fn), **options)
        self.worker = ListenerWorker(
            listener, self.queue, PlainReading(), self.care, self.counts,
            lambda: self.ended.append(threading.current_thread().name),
        )  # fmt: skip

    def put(self, *data: str, topic: str = "chat:lobby") -> None:
        for one in data:
            self.queue.put(topic, one.encode(), None)

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
