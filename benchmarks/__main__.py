"""`python -m benchmarks [consume|publish|cast|listen|rooms|… …] [--rounds N] [--only TEXT] [--list]`."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Collection, Iterator
from importlib.metadata import version
from statistics import median

from .cases import Case, all_cases
from .console import console_table
from .databases import KINDS
from .rig import Measure, Rig
from .rooms import SCENES, fan_out_table, idle_table, slow_table
from .saving import frozen_table, save_table

COMMANDS = (
    *("consume", "publish", "latency", "recovery", "cast", "listen", "relay"),
    *("save", "frozen", "rooms", "slow", "idle", "console"),
)
LIVE = ("channels", "channels-redis", "uvicorn", "websockets")
"""Packages that are measured where there are sockets."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="The bus over a hand-written loop.")
    parser.add_argument("commands", nargs="*", metavar="|".join(COMMANDS), help="default: all")
    parser.add_argument("--rounds", type=int, default=5, help="rounds per case, each one run of both sides (default 5)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only names, or databases, with this text")
    parser.add_argument("--list", action="store_true", help="only print what would be measured")
    options = parser.parse_args()
    if unknown := set(options.commands) - set(COMMANDS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(COMMANDS)}")
    wanted = options.commands or COMMANDS
    if options.list:
        print("\n".join(names(wanted, options.only)))
        return
    rig = Rig()
    try:
        print(installed(rig.version, LIVE if {"rooms", "slow", "idle"} & set(wanted) else ()))
        print(f"{options.rounds} rounds")
        for table in tables(rig, options.rounds, wanted, options.only):
            print()
            for line in table:
                print(line, flush=True)
    finally:
        rig.close()


def names(wanted: Collection[str], only: str) -> Iterator[str]:
    """Return what would be measured."""
    yield from (f"{c.command}: {c.name}" for c in all_cases() if c.command in wanted and only in c.name)
    yield from (f"{what}: {kind}" for what in ("save", "frozen") if what in wanted for kind in KINDS if only in kind)
    if "rooms" in wanted:
        yield from (f"rooms: {scene.name}" for scene in SCENES if only in scene.name)
    yield from (what for what in ("slow", "idle", "console") if what in wanted and not only)


def installed(server: str, more: Collection[str]) -> str:
    """Return what was measured on."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("django", "redis", "hiredis", "msgspec", *more))
    return f"Python {platform.python_version()}, {server} on loopback TCP, {packages}, {os.cpu_count()} cores"


def tables(rig: Rig, rounds: int, wanted: Collection[str], only: str) -> Iterator[Iterator[str]]:
    """Return the lines of each table that was asked for; they are measured as they are read."""
    if cases := [case for case in all_cases() if case.command in wanted and only in case.name]:
        yield case_table(rig, rounds, cases)
    some = any(only in kind for kind in KINDS)
    if some and "save" in wanted:
        yield save_table(rig, rounds, only)
    if some and "frozen" in wanted:
        yield frozen_table(rig, rounds, only)
    if "rooms" in wanted and any(only in scene.name for scene in SCENES):
        yield fan_out_table(rig, rounds, only)
    if "slow" in wanted and not only:
        yield slow_table(rig, rounds)
    if "idle" in wanted and not only:
        yield idle_table(rig, rounds)
    if "console" in wanted and not only:
        yield console_table(rig)


def case_table(rig: Rig, rounds: int, cases: list[Case]) -> Iterator[str]:
    """Measure each case and return the lines of the table."""
    yield "| case | ratio: median (min–max) | target | floor | bus | CPU µs/event: floor | bus |"
    yield "|---|---|---|---|---|---|---|"
    for case in cases:
        lacks = case.database and rig.databases.lacking(case.database)
        yield f"| {case.name}: {lacks} is not installed |" if lacks else row(case, *interleaved(rig, case, rounds))


def interleaved(rig: Rig, case: Case, rounds: int) -> tuple[list[Measure], list[Measure]]:
    """Measure both sides in turn; who begins changes from round to round."""
    floor: list[Measure] = []
    bus: list[Measure] = []
    for number in range(rounds):
        sides = [(floor, case.floor), (bus, case.bus)]
        for measures, jobs in sides if number % 2 == 0 else reversed(sides):
            measures.append(case.run(rig, jobs))
    return floor, bus


def row(case: Case, floor: list[Measure], bus: list[Measure]) -> str:
    """Return a row of the table."""
    ratios = sorted(case.ratio(a, b) for a, b in zip(floor, bus, strict=True))
    cells = [
        f"{case.command}: {case.name}",
        f"{median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})",
        case.target,
        said(floor),
        said(bus),
        f"{median(m.cpu_us for m in floor):.1f}",
        f"{median(m.cpu_us for m in bus):.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def said(measures: list[Measure]) -> str:
    """Return what one side reached: events per second, or delays."""
    if measures[0].delays_s:
        half, most = (median(m.delay_ms(share) for m in measures) for share in (0.5, 0.99))
        return f"p50 {half:.2f} ms, p99 {most:.2f} ms"
    return f"{median(m.rate for m in measures):,.0f}/s"


if __name__ == "__main__":
    main()
