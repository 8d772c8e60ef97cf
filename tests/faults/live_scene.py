"""A channel that somebody publishes to without end, and what listens to it, for tests that hurt the server."""

from __future__ import annotations

import threading
import time
from typing import Any

import redis

from django_redis_bus import Bus, buses
from django_redis_bus.core.gaps import Gap
from tests.listening.conftest import until
from tests.servers import Server


class Publisher:
    """Publishes 0, 1, 2, … to a channel, each millisecond, whatever happens to the server."""

    def __init__(self, server: Server, key: str) -> None:
        self.sent = 0
        self._key = key
        self._server = server
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        client = redis.Redis(unix_socket_path=str(self._server.socket_path), socket_timeout=0.5, retry=None)
        while not self._stopped.is_set():
            try:
                client.publish(self._key, str(self.sent))
            except redis.RedisError:
                time.sleep(0.02)
            self.sent += 1
            time.sleep(0.001)
        client.close()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(10)


class Heard:
    """What an attachment heard, in order."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def message(self, topic: str, data: bytes, pattern: str | None) -> None:
        self.items.append(int(data))

    @property
    def gaps(self) -> list[Gap]:
        return [item for item in self.items if isinstance(item, Gap)]

    @property
    def last(self) -> int:
        return next((item for item in reversed(self.items) if not isinstance(item, Gap)), -1)

    def check(self) -> int:
        """Each number once and in order, and no hole without a gap in it. Returns how many are missing."""
        missing, before, told = 0, None, False
        for item in self.items:
            if isinstance(item, Gap):
                told = True
                continue
            if before is not None:
                assert item > before, f"{item} after {before}"
                if item != before + 1:
                    assert told, f"nobody said that {item - before - 1} are missing after {before}"
                    missing += item - before - 1
            before, told = item, False
        return missing


class Scene:
    """A server to hurt, a bus on it, and what listens."""

    def __init__(self, server: Server, prefix: str) -> None:
        self.server = server
        self.bus: Bus = buses["default"]
        self.by_name, self.by_pattern = Heard(), Heard()
        self.all = [self.by_name, self.by_pattern]
        self.publisher = Publisher(server, f"{prefix}:t")

    async def begin(self) -> None:
        one, two = self.all
        await self.bus.live.attach(channels=["t"], on_message=one.message, on_gap=one.items.append)
        await self.bus.live.attach(patterns=["t*", "other"], on_message=two.message, on_gap=two.items.append)
        await until(lambda: all(heard.last > 20 for heard in self.all))

    async def healed(self) -> None:
        """Wait until everything is heard again that is published from now on."""
        now = self.publisher.sent
        await until(lambda: all(heard.last > now for heard in self.all), 20)
