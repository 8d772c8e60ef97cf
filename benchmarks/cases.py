"""The cases: which jobs are compared, on what, and which ratio counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from .databases import KINDS
from .job import Job
from .rig import Measure, Rig

Ratio = Callable[[Measure, Measure], float]

WAIT_S = 0.002
"""A handler that waits: a query, a call."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One comparison.

    Attributes:
        command: consume, publish, latency, recovery, relay, cast or listen.
        name: for the table.
        target: what the ratio should reach, as text.
        find: makes what the sides find on the server, for so many events; returns the group.
        events: how many.
        floor, bus: one job per process. Url and group are filled in.
        ratio: of the bus to the floor.
        database: the kind that it takes, "" if none.
    """

    command: str
    name: str
    target: str
    find: Callable[[Rig, int], str]
    events: int
    floor: tuple[Job, ...]
    bus: tuple[Job, ...]
    ratio: Ratio = field(default=lambda floor, bus: bus.rate / floor.rate)
    database: str = ""

    def run(self, rig: Rig, jobs: tuple[Job, ...]) -> Measure:
        """Measure one side once."""
        group = self.find(rig, self.events)
        database = rig.databases.settings(self.database) if self.database else {}
        return rig.measure([replace(job, url=rig.url, group=group, database=database) for job in jobs], self.events)


def _case(
    command: str, name: str, target: str, events: int, find: Callable[[Rig, int], str], work: str, *,
    floor_work: str | None = None, batch: int = 100, threads: int = 0, wait_s: float = 0.0,
) -> Case:  # fmt: skip
    job = Job(side="bus", work=work, url="", events=events, batch=batch, threads=threads, wait_s=wait_s)
    floor = replace(job, side="floor", work=floor_work or work)
    return Case(command=command, name=name, target=target, find=find, events=events, floor=(floor,), bus=(job,))


def _two_processes(one: Case) -> Case:
    return replace(one, name="two processes over one", target="≥ 1.6", floor=one.bus, bus=one.bus * 2)


def _latency(events: int) -> Case:
    jobs = [Job(side="bus", work=work, url="", events=events) for work in ("receive", "send")]
    return Case(
        command="latency",
        name="publish call to handler entry, 500/s, p99",
        target="≤ 1.3",
        find=Rig.empty,
        events=events,
        floor=tuple(replace(job, side="floor") for job in jobs),
        bus=tuple(jobs),
        ratio=lambda floor, bus: bus.delay_ms(0.99) / floor.delay_ms(0.99),
    )


def _relay(database: str, floor_work: str, name: str, target: str = "") -> Case:
    job = Job(side="relays", work="relay", url="", events=20_000, batch=500)
    return Case(
        command="relay",
        name=f"{database}, 20,000 rows{name}",
        target=target,
        find=Rig.empty,
        events=job.events,
        floor=(replace(job, work=floor_work),),
        bus=(job,),
        database=database,
    )


def _cast(name: str, batch: int, target: str, *, history: int = 0, floor_work: str = "publish_by_hand") -> Case:
    events = 10_000 if batch == 1 else 30_000
    job = Job(side="channels", work="publish", url="", events=events, batch=batch, history=history)
    return Case(
        command="cast",
        name=name,
        target=target,
        find=Rig.silent,
        events=events,
        floor=(replace(job, work=floor_work),),
        bus=(job,),
    )


def _casts() -> list[Case]:
    cases = []
    batches = ((1, "one by one", "≥ 0.95"), (100, "batch of 100", "≥ 1.2"), (1000, "batch of 1,000", "≥ 1.2"))
    for batch, name, target in batches:
        cases += [
            _cast(f"to a channel, {name}", batch, target),
            _cast(f"to a channel with history, {name}", batch, "", history=1000),
        ]
    return [*cases, _cast("to a channel, batch of 100, floor without envelope", 100, "", floor_work="publish_bare")]


def _listen(work: str, name: str, target: str) -> Case:
    job = Job(side="channels", work=work, url="", events=50_000)
    feed = replace(job, work="feed")
    return Case(
        command="listen",
        name=name,
        target=target,
        find=Rig.silent,
        events=job.events,
        floor=(replace(job, work="listen_by_hand"), feed),
        bus=(job, feed),
    )


def all_cases() -> list[Case]:
    """Return every case."""
    sync = _case("consume", "sync handler", "≥ 1.5", 100_000, Rig.backlog, "consume")
    threads = partial(_case, "consume", find=Rig.backlog, work="consume_threads", wait_s=WAIT_S)
    publish = partial(_case, "publish", find=Rig.empty, work="publish")
    once = _case("consume", "idempotent handler (inbox, SQLite)", "≥ 0.8", 5_000, Rig.backlog, "consume_once")
    recovery = _case("recovery", "10,000 pending, time", "≤ 1.5", 10_000, Rig.left, "recover")
    return [
        sync,
        _case("consume", "batch handler", "≥ 1.7", 100_000, Rig.backlog, "consume_batch"),
        _two_processes(sync),
        threads("8 threads, 2 ms", "≥ 0.9", 6_000, threads=8),
        threads("32 threads, 2 ms", "≥ 0.8", 16_000, threads=32),
        _case("consume", "async handlers, 2 ms", "≥ 0.7", 20_000, Rig.backlog, "consume_async", wait_s=WAIT_S),
        replace(once, database="SQLite"),
        publish("one by one", "≥ 0.95", 10_000, batch=1),
        publish("batch of 100", "≥ 1.2", 30_000),
        publish("batch of 1,000", "≥ 1.2", 30_000, batch=1000),
        publish("one by one, floor without envelope", "", 10_000, floor_work="publish_bare", batch=1),
        publish("batch of 100, floor without envelope", "", 30_000, floor_work="publish_bare"),
        _latency(2_000),
        replace(recovery, ratio=lambda floor, bus: bus.seconds / floor.seconds),
        *_casts(),
        _listen("listen", "a pattern, async handler", "≥ 0.8"),
        _listen("listen_in_thread", "a pattern, handler in its thread", ""),
        *[_relay(kind, "by_hand", "", "≥ 0.8") for kind in KINDS],
        *[_relay(kind, "by_hand_bare", ", floor without envelope") for kind in KINDS],
    ]
