"""Consumer processes that a test starts, hurts and counts after."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from django_redis_bus.core.keys import GroupKeys
from tests.faults.forking import Forked, can_fork
from tests.servers import Server

PATIENCE_S = 20.0


def wait_for(condition: Callable[[], Any], *, what: str = "", timeout_s: float = PATIENCE_S) -> Any:
    """Return the first true value of `condition`; fail after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain {what}"
        time.sleep(0.02)
    return value


def start(arguments: list[str], env: dict[str, str], output: int) -> subprocess.Popen[bytes] | Forked:
    """Start a management command that prints to `output`."""
    if can_fork(arguments, env):
        return Forked(arguments, env, output)
    return subprocess.Popen(
        [sys.executable, "-m", "django", *arguments],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )


class Command:
    """One process of a management command.

    Args:
        arguments: the command's name and what follows it.
        env: of the process.
        output: file for what it prints.
    """

    def __init__(self, arguments: list[str], env: dict[str, str], output: Path) -> None:
        self._output = output
        self._asked = False
        with output.open("wb") as file:
            self.process = start(arguments, env, file.fileno())

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self, words: str, times: int = 1) -> None:
        """Wait until it has said this so often, and lives."""
        wait_for(lambda: self.output.count(words) >= times or self.process.poll() is not None, what=self.output)
        assert self.process.poll() is None, self.output

    def is_frozen(self) -> bool:
        """Return whether it has been stopped by SIGSTOP."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def children(self) -> list[int]:
        """Return the ids of the processes that it started and that are not yet waited for."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as the kernel's out-of-memory killer does."""
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def ask(self) -> None:
        """Ask it to stop, as init and orchestrators do."""
        self._asked = True
        self.process.terminate()

    def end(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait for its end and return its exit code."""
        return self.process.wait(timeout_s)

    def stop(self) -> int:
        self.ask()
        return self.end()

    def ask_once(self) -> None:
        """Ask it to stop, frozen or not, if nobody has: asked twice it is in a hurry."""
        if not self._asked and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.ask()

    def close(self) -> None:
        """End it if it still runs; a supervisor's processes notice."""
        if self.process.poll() is None:
            self.ask_once()
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(PATIENCE_S)


class Consumer(Command):
    """A process of `consume_stream`, or a supervisor of several."""

    def __init__(self, arguments: list[str], env: dict[str, str], output: Path) -> None:
        super().__init__(["consume_stream", *arguments], env, output)

    def ready(self, times: int = 1) -> Consumer:
        """Wait until it has said so often what it consumes."""
        self.said(", as ", times)
        return self


class Fleet:
    """Consumers of one stream, what was published to it, and what became of that.

    Args:
        server: where.
        prefix: of the test.
        topic: one of those in tests/app/handlers.py.
        process_env: the fixture.
        directory: for logs.
    """

    def __init__(
        self, server: Server, prefix: str, topic: str, process_env: Callable[..., dict[str, str]], directory: Path
    ) -> None:
        self.server = server
        self.topic = topic
        self.client = server.client()
        self.key = f"{prefix}:{topic}"
        self.published: list[str] = []
        self._directory = directory
        self._log = directory / "log"
        self._log.touch()
        self._env = process_env
        self.consumers: list[Consumer] = []

    def start(
        self, *arguments: str, lease: str = "1", environment: dict[str, str] | None = None, **options: Any
    ) -> Consumer:
        """Start a consumer; `options` are settings of the bus."""
        env = self._env(BUS_TEST_URL=self.server.url, BUS_TEST_LOG=str(self._log), BUS_TEST_OPTIONS=json.dumps(options))
        env |= environment or {}
        output = self._directory / f"out-{len(self.consumers)}"
        consumer = Consumer([self.topic, "--lease", lease, *arguments], env, output)
        self.consumers.append(consumer)
        return consumer

    def publish(self, count: int = 1, do: str = "note", **fields: Any) -> list[str]:
        """Publish so many events; those that Redis confirmed are in `published`."""
        ids = []
        for n in range(count):
            ids.append(self.client.xadd(self.key, {"n": n, "do": do, **fields}).decode())
            self.published.append(ids[-1])
        return ids

    # --- what became of it

    def lines(self) -> list[str]:
        """Return what handlers have noted."""
        whole, _, _ = self._log.read_text().rpartition("\n")  # the last line may still be under way
        return whole.splitlines()

    def log(self, what: str, group: str = "work") -> Counter[str]:
        """Return how often each entry was begun, or done."""
        lines = (line.split() for line in self.lines())
        return Counter(entry_id for entry_id, did, _, of, _ in lines if did == what and of == group)

    def done(self, group: str = "work") -> set[str]:
        return set(self.log("done", group))

    def keys(self, group: str = "work") -> GroupKeys:
        return GroupKeys(stream=self.key, group=group)

    def dead(self, group: str = "work") -> dict[str, str]:
        """Return entry id -> reason."""
        letters = [fields for _, fields in self.client.xrange(self.keys().dead)]
        return {
            f[b"dead_entry"].decode(): f[b"dead_reason"].decode() for f in letters if f[b"dead_group"].decode() == group
        }

    def pending(self, group: str = "work") -> dict[str, str]:
        """Return entry id -> owner."""
        found = self.client.xpending_range(self.key, group, "-", "+", 10_000)
        return {p["message_id"].decode(): p["consumer"].decode() for p in found}

    def settled(self, group: str = "work") -> bool:
        """Whether everything published is handled or dead, and nothing is pending."""
        try:
            accounted = set(self.published) <= self.done(group) | set(self.dead(group))
            return accounted and not self.pending(group)
        except redis.RedisError:
            return False

    def reconcile(self, group: str = "work") -> None:
        """Wait until everything is settled; fail naming what is lost."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.settled(group) and time.monotonic() < deadline:
            time.sleep(0.05)
        missing = set(self.published) - self.done(group) - set(self.dead(group))
        outputs = "\n".join(consumer.output for consumer in self.consumers)
        assert not missing, f"{len(missing)} of {len(self.published)} are lost: {sorted(missing)[:5]}\n{outputs}"
        assert self.pending(group) == {}, outputs

    @staticmethod
    def cpu_s(consumer: Consumer) -> float:
        """Return the processor time that a consumer has used."""
        fields = Path(f"/proc/{consumer.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End every process."""
        for consumer in self.consumers:
            consumer.ask_once()
        for consumer in self.consumers:
            consumer.close()
