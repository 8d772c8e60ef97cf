"""The tables of what a save costs: with each way to tell of it, and while Redis is frozen."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from .databases import KINDS
from .job import Answer, Job
from .rig import Measure, Rig, Side, sides

SAVES = 50
"""Per turn."""
TURNS = 6
"""Per round."""
SAVES_FROZEN = 20
DEADLINE_MS = 250


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way to tell of a save.

    Attributes:
        name: for the table.
        work: in `saves`.
        floor: the work that does the same by hand, if there is one.
        target: what should be reached, as text.
    """

    name: str
    work: str
    floor: str = ""
    target: str = ""


WAYS = (
    Way(name="no bus installed: the plain save", work="plain"),
    Way(name="a publisher of another model", work="unpublished"),
    Way(name="by hand: on_commit + XADD", work="by_hand"),
    Way(name="DELIVERY on_commit", work="on_commit", floor="by_hand", target="≤ 1.3 × by hand"),
    Way(name="by hand: a row in the transaction", work="row_by_hand"),
    Way(name="DELIVERY outbox, left to the relay", work="outbox_left", floor="row_by_hand"),
    Way(name="DELIVERY outbox", work="outbox", target="adds ≤ 2.5 × plain"),
)
IN_TRANSACTION = ("plain", "by_hand", "on_commit", "outbox")
"""Those that are also measured in a block of atomic()."""
CLOSED = (
    Way(name="DELIVERY on_commit", work="frozen_on_commit", target=f"p99 ≤ {DEADLINE_MS * 1.2:.0f} ms"),
    Way(name="DELIVERY outbox", work="frozen_outbox", target=f"p99 ≤ {DEADLINE_MS * 1.2:.0f} ms"),
)
OPEN = (
    Way(name="DELIVERY on_commit", work="open_on_commit", floor="second_row_by_hand", target="≤ 1 ms more"),
    Way(name="DELIVERY outbox", work="open_outbox", floor="row_by_hand", target="≤ 1 ms more"),
)


def save_table(rig: Rig, rounds: int, only: str) -> Iterator[str]:
    """Measure each way, on each database, and return the lines of the table."""
    yield "| a save with | µs | × plain: median (min–max) | × by hand: whole | what it adds | target | CPU µs |"
    yield "|---|---|---|---|---|---|---|"
    for kind in _installed(rig, only):
        for atomic in (False, True):
            ways = [way for way in WAYS if not atomic or way.work in IN_TRANSACTION]
            with sides([_job(rig, kind, way.work, atomic=atomic) for way in ways]) as ready:
                taken = interleaved(ready, rounds)
            for way in ways:
                yield _way(f"{kind}{', in atomic()' if atomic else ''}: {way.name}", way, taken)


def frozen_table(rig: Rig, rounds: int, only: str) -> Iterator[str]:
    """Measure saves while Redis is frozen, which it is before the first of them; return the lines of the table."""
    yield "| a save while Redis is frozen | slowest first | p50 | p99 | max | by hand, the row: p50 | p99 | target |"
    yield "|---|---|---|---|---|---|---|---|"
    for kind in _installed(rig, only):
        for way in CLOSED:
            runs = []
            for _ in range(rounds):
                with sides([_job(rig, kind, way.work, saves=SAVES_FROZEN)]) as ready, rig.frozen():
                    runs.append(interleaved(ready, 1, turns=1)[way.work][0])
            yield _frozen(f"{kind}, circuit closed: {way.name}", way, runs, [])
        for way in OPEN:
            with sides([_job(rig, kind, work) for work in (way.work, way.floor)]) as ready, rig.frozen():
                taken = interleaved(ready, rounds)
            yield _frozen(f"{kind}, circuit open: {way.name}", way, taken[way.work], taken[way.floor])


def _installed(rig: Rig, only: str) -> Iterator[str]:
    """Return the kinds of databases that are here and were asked for."""
    for kind in KINDS:
        if only not in kind:
            continue
        if lacks := rig.databases.lacking(kind):
            print(f"{lacks} is not installed")
        else:
            yield kind


def _job(rig: Rig, kind: str, work: str, *, saves: int = SAVES, atomic: bool = False) -> Job:
    return Job(
        side="saves",
        work=work,
        url=rig.url,
        events=saves,
        database=rig.databases.settings(kind),
        prefix=secrets.token_hex(4),  # a stream of its own
        atomic=atomic,
    )


def interleaved(ready: Sequence[Side], rounds: int, *, turns: int = TURNS) -> dict[str, list[Measure]]:
    """Let the sides take turns, so that they meet the same machine. Returns a measure per round, by work."""
    taken: dict[str, list[Measure]] = {side.job.work: [] for side in ready}
    for _ in range(rounds):
        answers: dict[str, list[Answer]] = {work: [] for work in taken}
        for turn in range(turns):
            first = turn % len(ready)
            for side in (*ready[first:], *ready[:first]):
                side.go()
                answers[side.job.work].append(side.answer())
        for work, some in answers.items():
            taken[work].append(_together(some))
    return taken


def _together(answers: Sequence[Answer]) -> Measure:
    return Measure(
        events=sum(answer.events for answer in answers),
        seconds=sum(answer.ended - answer.started for answer in answers),
        cpu_s=sum(answer.cpu_s for answer in answers),
        delays_s=[delay for answer in answers for delay in answer.delays_s],
    )


def _way(name: str, way: Way, taken: dict[str, list[Measure]]) -> str:
    plain, mine = _us(taken["plain"]), _us(taken[way.work])
    ratios = [a / b for a, b in zip(mine, plain, strict=True)]
    whole = added = ""
    if way.floor in taken:
        floor = _us(taken[way.floor])
        whole = f"{median(a / b for a, b in zip(mine, floor, strict=True)):.2f}"
        added = f"{median((a - p) / (b - p) for a, b, p in zip(mine, floor, plain, strict=True)):.2f}"
    cells = [
        name,
        f"{median(mine):,.0f}",
        f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})",
        whole,
        added,
        way.target,
        f"{median(m.cpu_us for m in taken[way.work]):.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _us(measures: Sequence[Measure]) -> list[float]:
    return [fmean(measure.delays_s) * 1e6 for measure in measures]


def _frozen(name: str, way: Way, runs: Sequence[Measure], floor: Sequence[Measure]) -> str:
    cells = [
        name,
        "" if floor else _ms(max(run.delays_s[0] for run in runs) * 1000),
        *(_ms(_pooled(runs).delay_ms(share)) for share in (0.5, 0.99)),
        _ms(max(_pooled(runs).delays_s) * 1000),
        *(_ms(_pooled(floor).delay_ms(share)) if floor else "" for share in (0.5, 0.99)),
        way.target,
    ]
    return f"| {' | '.join(cells)} |"


def _pooled(runs: Sequence[Measure]) -> Measure:
    return Measure(events=0, seconds=0, cpu_s=0, delays_s=[delay for run in runs for delay in run.delays_s])


def _ms(value: float) -> str:
    return f"{value:.0f} ms" if value >= 10 else f"{value:.2f} ms"
