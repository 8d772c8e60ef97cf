"""What the contract suite drives: one stream, consumers of it in threads, and what Redis holds of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from threading import Thread
from typing import Any

from django_redis_bus import Stream, registry
from django_redis_bus.bus import buses
from django_redis_bus.consuming import ConsumeOptions, build, consume
from django_redis_bus.core.keys import GroupKeys
from django_redis_bus.core.policy import Retry
from django_redis_bus.runtime.stopping import Stopping
from django_redis_bus.runtime.worker import Worker
from tests.servers import Server

TOPIC = "events:contract"
FAST = Retry(max_attempts=3, backoff_s=0.01, factor=1)
PATIENCE_S = 15.0


def wait_for(condition: Callable[[], Any], *, what: str = "", timeout_s: float = PATIENCE_S) -> Any:
    """Return the first true value of `condition`; fail after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain {what}"
        time.sleep(0.01)
    return value


class Running:
    """A consumer in a thread.

    Args:
        worker: to run.
        stopping: its own.
    """

    def __init__(self, worker: Worker, stopping: Stopping) -> None:
        self.worker = worker
        self.code: int | None = None
        self._stopping = stopping
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def names(self) -> list[str]:
        """The consumer names that it holds."""
        return [loop.link.consumer for loop in self.worker.loops]

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        self.code = self.worker.run()

    def ask(self) -> None:
        """Ask it to stop, as SIGTERM does."""
        self._stopping.request()

    def stop(self) -> int:
        """Stop it and return its exit code."""
        self.ask()
        return self.end()

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the consumer did not stop"
        assert self.code is not None
        return self.code


class Contract:
    """The stream "events:contract", with handlers that the test writes.

    Args:
        server: where.
        prefix: of the test.
    """

    def __init__(self, server: Server, prefix: str) -> None:
        self.client = server.client()
        self.key = f"{prefix}:{TOPIC}"
        self._streams: list[Stream] = []
        self._running: list[Running] = []

    # --- declare and publish

    def stream(self, name: str = TOPIC, **declaration: Any) -> Stream:
        """Declare a stream."""
        self._streams.append(Stream(name, **declaration))
        return self._streams[-1]

    def publish(self, stream: Stream, *data: Any, **attributes: Any) -> list[str]:
        """Publish each of `data`; return the entry ids."""
        return [stream.publish(d, **attributes).entry_id for d in data]

    def raw(self, fields: dict[Any, Any]) -> str:
        """Append an entry that no bus wrote."""
        return str(self.client.xadd(self.key, fields).decode())

    # --- consume

    def _options(self, options: dict[str, Any]) -> ConsumeOptions:
        return ConsumeOptions(**({"topics": tuple(stream.name for stream in self._streams)} | options))

    def burst(self, **options: Any) -> Worker:
        """Consume until nothing is left to do now."""
        return consume(buses["default"], self._options({"burst": True} | options))

    def start(self, *, drain_s: float = 5.0, **options: Any) -> Running:
        """Start a consumer and wait until it has a name."""
        stopping = Stopping(drain_s)
        running = Running(build(buses["default"], self._options(options), stopping), stopping)
        self._running.append(running)
        wait_for(lambda: all(running.names) or not running.alive, what="for a consumer name")
        return running

    # --- what Redis holds

    def keys(self, group: str = "g") -> GroupKeys:
        return GroupKeys(stream=self.key, group=group)

    def pending(self, group: str = "g") -> dict[str, str]:
        """Return id -> owner."""
        found = self.client.xpending_range(self.key, group, "-", "+", 10_000)
        return {p["message_id"].decode(): p["consumer"].decode() for p in found}

    def dead(self) -> list[dict[bytes, bytes]]:
        """Return the dead letters."""
        return [fields for _, fields in self.client.xrange(self.keys().dead)]

    def reasons(self) -> list[str]:
        """Return the dead letters' reasons."""
        return [fields[b"dead_reason"].decode() for fields in self.dead()]

    def dead_ids(self) -> set[str]:
        """Return the entry ids of the dead letters."""
        return {fields[b"dead_entry"].decode() for fields in self.dead()}

    def consumers(self, group: str = "g") -> set[str]:
        return {c["name"].decode() for c in self.client.xinfo_consumers(self.key, group)}

    def record(self, name: str, group: str = "g") -> dict[str, Any] | None:
        """Return the record of a consumer."""
        raw = self.client.hget(self.keys(group).consumers, name)
        return json.loads(raw) if raw else None

    def silence(self, entry_id: str, ms: int, group: str = "g") -> None:
        """Make a pending entry look as if its owner had been silent for so long."""
        owner = self.pending(group)[entry_id]
        self.client.xclaim(self.key, group, owner, 0, [entry_id], idle=ms, justid=True)

    def taken_by_a_dead_consumer(self, count: int, group: str = "g", *, silent_ms: int = 3_600_000) -> list[str]:
        """Let a consumer that is no more read `count` entries."""
        self.client.xgroup_create(self.key, group, "0", mkstream=True)
        [[_, entries]] = self.client.xreadgroup(group, "gone", {self.key: ">"}, count=count)
        ids = [entry_id.decode() for entry_id, _ in entries]
        for entry_id in ids:
            self.silence(entry_id, silent_ms, group)
        return ids

    def settled(self, group: str = "g") -> bool:
        """Whether everything in the stream was read and nothing is pending."""
        for info in self.client.xinfo_groups(self.key):
            if info["name"].decode() == group:
                last = self.client.xinfo_stream(self.key)["last-generated-id"]
                return info["pending"] == 0 and info["last-delivered-id"] == last
        return False

    def close(self) -> None:
        """Stop what runs, forget what was declared."""
        for running in self._running:
            running.ask()
        for running in self._running:
            running.end()
        for stream in self._streams:
            registry.remove_stream(stream)
