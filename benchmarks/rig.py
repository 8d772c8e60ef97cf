"""A server of our own, the entries on it, and processes that start at one moment."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import redis

from django_redis_bus.transport.binaries import bundled_server
from tests.servers import Server

from .databases import Databases
from .floor import envelope
from .job import LEASE_MS, STREAM, Answer, Job, order

ROOT = Path(__file__).parent.parent
PUBLISHERS = ("send", "publish", "relay", "by_hand", "by_hand_bare")
"""The works that add an entry per event."""
FEEDERS = ("feed",)
"""The works that give the others something to do, and are not measured."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What the processes of one side did together."""

    events: int
    seconds: float
    cpu_s: float
    delays_s: list[float]

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU per event."""
        return self.cpu_s / self.events * 1e6

    def delay_ms(self, share: float) -> float:
        """Return the delay that `share` of the events did not exceed."""
        return sorted(self.delays_s)[int(len(self.delays_s) * share)] * 1000


class Rig:
    """A server on a loopback TCP port, without persistence; and databases."""

    def __init__(self) -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server") or bundled_server()
        if program is None:
            raise SystemExit("No server: install redis-server or valkey-server, or the extra [embedded].")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._server = Server(program, args=("--port", str(port), "--bind", "127.0.0.1")).start()
        self.url = f"redis://127.0.0.1:{port}/0"
        self.client: Any = redis.Redis.from_url(self.url)
        self.databases = Databases()
        self._groups = 0
        self._ids: list[bytes] = []

    def close(self) -> None:
        self.client.close()
        self._server.close()
        self.databases.close()

    @property
    def version(self) -> str:
        info = self.client.info("server")
        name = info.get("server_name", "redis")
        return f"{name} {info.get(f'{name}_version', info['redis_version'])}"

    # --- what the sides find

    def backlog(self, events: int) -> str:
        """Make a group that has `events` entries before it. Returns its name."""
        self._fill(events)
        return self._group(self._ids[-events - 1])

    def left(self, events: int) -> str:
        """Make a group whose consumer died with `events` entries, longer ago than the lease."""
        group = self.backlog(events)
        self.client.xreadgroup(group, "killed", {STREAM: ">"}, count=events)
        for at in range(0, events, 1000):
            ids = self._ids[-events:][at : at + 1000]
            self.client.xclaim(STREAM, group, "killed", 0, ids, idle=2 * LEASE_MS, justid=True)
        return group

    def empty(self, events: int) -> str:
        """Make a group of an empty stream."""
        self.client.flushall()
        self._ids = []
        return self._group("0")

    def silent(self, events: int) -> str:
        """Forget everything, and let subscribers lag as far behind as they like. No group."""
        self.client.flushall()
        self.client.config_set("client-output-buffer-limit", "pubsub 0 0 0")
        self._ids = []
        return ""

    def _fill(self, events: int) -> None:
        missing = events + 1 - len(self._ids)
        for at in range(0, missing, 1000):
            pipeline = self.client.pipeline(transaction=False)
            for n in range(at, min(at + 1000, missing)):
                pipeline.xadd(STREAM, envelope(order(n)))
            self._ids += pipeline.execute()

    def _group(self, after: bytes | str) -> str:
        self._groups += 1
        group = f"g{self._groups}"
        self.client.xgroup_create(STREAM, group, id=after, mkstream=True)
        return group

    # --- measuring

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have Redis stand still (SIGSTOP)."""
        self._server.freeze()
        try:
            yield
        finally:
            self._server.thaw()

    def measure(self, jobs: Sequence[Job], expected: int) -> Measure:
        """Run the jobs side by side, check that all was done, and add up what counts."""
        answers = together(jobs)
        self._check(jobs, answers, expected)
        return Measure(
            events=expected,
            seconds=max(a.ended for a in answers) - min(a.started for a in answers),
            cpu_s=sum(a.cpu_s for job, a in zip(jobs, answers, strict=True) if job.work not in FEEDERS),
            delays_s=[delay for answer in answers for delay in answer.delays_s],
        )

    def _check(self, jobs: Sequence[Job], answers: Sequence[Answer], expected: int) -> None:
        for group in {job.group for job in jobs if job.group}:
            pending = self.client.xpending(STREAM, group)["pending"]
            self.client.xgroup_destroy(STREAM, group)
            if pending:
                raise SystemExit(f"{jobs[0]}: {pending} entries were not acked")
        publishers = [a.events for job, a in zip(jobs, answers, strict=True) if job.work in PUBLISHERS]
        unmeasured = PUBLISHERS + FEEDERS
        consumers = [a.events for job, a in zip(jobs, answers, strict=True) if job.work not in unmeasured]
        for counts in (publishers, consumers):
            if counts and sum(counts) != expected:
                raise SystemExit(f"{jobs[0]}: {sum(counts)} events, not {expected}")
        if publishers and jobs[0].group and self.client.xlen(STREAM) != expected:
            raise SystemExit(f"{jobs[0]}: the stream holds {self.client.xlen(STREAM)} entries, not {expected}")


class Side:
    """A process with a job: ready when this returns; each go() is one run of its work."""

    module = "benchmarks.child"

    def __init__(self, job: Job) -> None:
        self.job = job
        self._process = subprocess.Popen(
            [sys.executable, "-m", self.module, json.dumps(asdict(job))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._tell, self._hear = self._process.stdin, self._process.stdout

    def ready(self) -> Side:
        if self._hear.readline() != "ready\n":
            raise SystemExit(f"{self.job} failed")
        return self

    def go(self, word: str = "go") -> None:
        self._tell.write(f"{word}\n")
        self._tell.flush()

    def answer(self) -> Answer:
        return Answer(**self.answered())

    def answered(self) -> Any:
        line = self._hear.readline()
        if not line:
            raise SystemExit(f"{self.job} failed")
        return json.loads(line)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self._tell.close()
        failed = self._process.wait()
        self._hear.close()
        if failed:
            raise SystemExit(f"{self.job} failed")


def together(jobs: Sequence[Job]) -> list[Answer]:
    """Run each job in a process of its own; all start when the last is ready."""
    with sides(jobs) as ready:
        for side in ready:
            side.go()
        return [side.answer() for side in ready]


@contextmanager
def sides(jobs: Sequence[Job]) -> Iterator[list[Side]]:
    """Have a process per job, all of them ready."""
    made = [Side(job) for job in jobs]
    try:
        yield [side.ready() for side in made]
    finally:
        for side in made:
            side.close()
