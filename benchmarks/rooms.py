"""The tables of rooms: fan-out to sockets, a slow reader, and the memory of a socket that waits."""

from __future__ import annotations

import socket
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from .job import LEAD_S, Job
from .rig import Rig, Side


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way to bring what is said to the sockets of a room: the works of the same name in `serving` and `talking`."""

    name: str
    work: str
    history: int = 0


FLOOR = Way(name="hub by hand", work="by_hand")
BUS = Way(name="the bus", work="bus")
KEEPING = Way(name="the bus, history=1000", work="bus", history=1000)
WAYS = (
    FLOOR,
    BUS,
    KEEPING,
    Way(name="channels_redis, pub/sub layer", work="pubsub_layer"),
    Way(name="channels_redis, core layer", work="core_layer"),
)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """So many rooms and sockets, and so many messages per second in all rooms together."""

    name: str
    rooms: int
    sockets: int
    per_second: int
    seconds: int = 6
    slow: int = 0
    padding: int = 0

    @property
    def messages(self) -> int:
        return self.per_second * self.seconds

    @property
    def deliveries(self) -> int:
        """How many there are if nothing is lost; what slow readers get is not counted."""
        return self.messages * self.sockets // self.rooms


SCENES = (
    Scene(name="1 room × 200 sockets, 20/s", rooms=1, sockets=200, per_second=20),
    Scene(name="50 rooms × 10 sockets, 8/s each", rooms=50, sockets=500, per_second=400),
    Scene(name="1 room × 200 sockets, 100/s", rooms=1, sockets=200, per_second=100),
)
GOOD = Scene(name="100 good readers", rooms=1, sockets=100, per_second=50, seconds=14, padding=8000)
SLOW = replace(GOOD, name="100 good readers and a slow one", slow=1)
IDLE = 1000
IDLE_ROOMS = 100


@dataclass(frozen=True, kw_only=True)
class Fanned:
    """What one run of one way came to."""

    deliveries: int
    lost: int
    seconds: float
    cpu_s: float
    delays_s: list[float]
    closed: list[int]

    @property
    def rate(self) -> float:
        return self.deliveries / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of the server's CPU per delivery."""
        return self.cpu_s / max(self.deliveries, 1) * 1e6

    def delay_ms(self, share: float) -> float:
        return sorted(self.delays_s)[int(len(self.delays_s) * share)] * 1000 if self.delays_s else float("nan")


class Served(Side):
    """A web server in a process of its own."""

    module = "benchmarks.serving"

    def cpu_s(self) -> float:
        """Return what it used until now."""
        self.go("cpu")
        return float(self.answered())

    def resident_kb(self) -> int:
        self.go("memory")
        return int(self.answered())


def fan_out_table(rig: Rig, rounds: int, only: str) -> Iterator[str]:
    """Measure each scene with each way in turn, and return the lines of the table."""
    yield "| scene | | delivered/s | lost | p50 ms | p99 ms | server CPU µs/delivery | × by hand (min–max) | target |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for scene in SCENES:
        if only in scene.name:
            taken = interleaved(rig, rounds, [(scene, way) for way in WAYS])
            for way in WAYS:
                yield fanned(scene, way, taken[scene, way], taken[scene, FLOOR])


def slow_table(rig: Rig, rounds: int) -> Iterator[str]:
    """Measure what a slow reader does to the good ones, and return the lines of the table."""
    yield "| | good ones: delivered/s | lost | p50 ms | p99 ms | the slow one |"
    yield "|---|---|---|---|---|---|"
    ways = (FLOOR, BUS)
    taken = interleaved(rig, rounds, [(scene, way) for way in ways for scene in (GOOD, SLOW)])
    for way in ways:
        for scene in (GOOD, SLOW):
            runs = taken[scene, way]
            codes = Counter(code for run in runs for code in run.closed)
            said = ", ".join(f"closed with {code}: {count} of {len(runs)}" for code, count in codes.items())
            yield f"| {way.name}: {scene.name} | {heard(runs)} | {said} |"


def idle_table(rig: Rig, rounds: int) -> Iterator[str]:
    """Measure the memory of sockets that wait, and return the lines of the table."""
    yield f"| {IDLE:,} sockets in {IDLE_ROOMS} rooms, nothing said | server before | with | KB per socket | target |"
    yield "|---|---|---|---|---|"
    ways = [way for way in WAYS if way is not KEEPING]
    found: dict[Way, list[tuple[float, float]]] = defaultdict(list)
    for number in range(rounds):
        for way in turned(ways, number):
            found[way].append(resident(rig, way))
    for way in ways:
        before, after = (median(kb) for kb in zip(*found[way], strict=True))
        each = sorted((b - a) / IDLE for a, b in found[way])
        target = "≤ 30" if way is BUS else ""
        figures = f"{before / 1024:.1f} MB | {after / 1024:.1f} MB | {median(each):.1f} ({each[0]:.1f}–{each[-1]:.1f})"
        yield f"| {way.name} | {figures} | {target} |"


def interleaved(rig: Rig, rounds: int, pairs: list[tuple[Scene, Way]]) -> dict[tuple[Scene, Way], list[Fanned]]:
    """Run all of them in turn; who begins changes from round to round."""
    taken: dict[tuple[Scene, Way], list[Fanned]] = defaultdict(list)
    for number in range(rounds):
        for scene, way in turned(pairs, number):
            taken[scene, way].append(fan_out(rig, scene, way))
    return taken


def turned(items: list[Any], number: int) -> list[Any]:
    at = number % len(items)
    return items[at:] + items[:at]


def fan_out(rig: Rig, scene: Scene, way: Way) -> Fanned:
    """Say everything once, and add up what came."""
    rig.silent(0)
    job = Job(
        side="sockets", work="read", url=rig.url, events=scene.deliveries, history=way.history, port=free_port(),
        rooms=scene.rooms, sockets=scene.sockets, slow=scene.slow, padding=scene.padding,
        per_second=scene.per_second, seconds=scene.seconds,
    )  # fmt: skip
    with running(Served(replace(job, work=way.work))) as server:
        talker = Side(replace(job, side="talking", work=way.work, events=scene.messages))
        with running(Side(job)) as readers, running(talker):
            before = server.cpu_s()
            readers.go()
            talker.go()
            said = talker.answer()
            came = readers.answer()
            cpu_s = server.cpu_s() - before
    return Fanned(
        deliveries=came.events,
        lost=scene.deliveries - came.events,
        seconds=max(came.ended, said.ended) - said.started - LEAD_S,
        cpu_s=cpu_s,
        delays_s=came.delays_s,
        closed=came.closed,
    )


def resident(rig: Rig, way: Way) -> tuple[float, float]:
    """Return the KB that the server has in use before and with idle sockets."""
    rig.silent(0)
    job = Job(side="sockets", work="read", url=rig.url, events=0, port=free_port(), rooms=IDLE_ROOMS)
    with running(Served(replace(job, work=way.work))) as server:
        with running(Side(replace(job, sockets=IDLE_ROOMS))):
            pass  # what is only loaded or made once is there now
        before = server.resident_kb()
        with running(Side(replace(job, sockets=IDLE))):
            return before, server.resident_kb()


@contextmanager
def running(side: Any) -> Iterator[Any]:
    """Have it ready; end it afterwards."""
    try:
        yield side.ready()
    except BaseException:
        side.kill()  # it may be writing an answer that nobody reads any more
        raise
    side.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fanned(scene: Scene, way: Way, runs: list[Fanned], floor: list[Fanned]) -> str:
    """Return a row of the first table."""
    ratios = sorted(b.cpu_us / a.cpu_us for a, b in zip(floor, runs, strict=True))
    ratio = f"{median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"
    target = "≤ 1.3" if way is BUS else ""
    return f"| {scene.name} | {way.name} | {heard(runs)} | {median(r.cpu_us for r in runs):.1f} | {ratio} | {target} |"


def heard(runs: list[Fanned]) -> str:
    """Return what came: how many per second, the share that was lost, and how late."""
    lost = sum(run.lost for run in runs) / sum(run.lost + run.deliveries for run in runs)
    half, most = (median(run.delay_ms(share) for run in runs) for share in (0.5, 0.99))
    return f"{median(run.rate for run in runs):,.0f} | {lost:.0%} | {half:.1f} | {most:.1f}"
