"""What the tests of listening share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import redis

from django_redis_bus import Bus, buses
from django_redis_bus.core.gaps import Gap


@pytest.fixture
async def bus(bus_settings: Callable[..., None]) -> AsyncIterator[Bus]:
    """The default bus of this test, closed after it."""
    yield buses["default"]
    await buses["default"].aclose()


async def until(condition: Callable[[], Any], timeout_s: float = 10.0) -> None:
    """Wait for a true value; fail after `timeout_s`."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class Ear:
    """Attaches to a bus and notes what it hears, as "topic=data", and gaps as they are."""

    def __init__(self, bus: Bus) -> None:
        self.heard: list[Any] = []
        self.patterns: list[str | None] = []
        self._bus = bus

    async def attach(self, *channels: str, patterns: list[str] | None = None, **options: Any) -> Any:
        return await self._bus.live.attach(
            channels=channels, patterns=patterns or [], on_message=self.message, on_gap=self.heard.append, **options
        )

    def message(self, topic: str, data: bytes, pattern: str | None) -> None:
        self.heard.append(f"{topic}={data.decode()}")
        self.patterns.append(pattern)

    @property
    def gaps(self) -> list[Gap]:
        return [item for item in self.heard if isinstance(item, Gap)]


Publish = Callable[..., Awaitable[None]]


@pytest.fixture
def publish(bus: Bus, prefix: str) -> Publish:
    """Publish by hand, as another program would: await publish("chat:lobby", "hi", …)."""

    async def now(topic: str, *data: str | bytes, raw: bool = False) -> None:
        client = redis.Redis.from_url(bus.url, socket_timeout=5)
        try:
            for one in data:
                client.publish(topic if raw or not prefix else f"{prefix}:{topic}", one)
        finally:
            client.close()

    return now
