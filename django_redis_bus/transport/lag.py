"""How far the slowest group of a stream is behind, and making room by force."""

from __future__ import annotations

from time import monotonic
from typing import NamedTuple

from .clients import Clients
from .commands import arun, run
from .scripts import script

COUNTED = 10_000
"""Entries counted at most, where Redis does not know their number: this many stands for more, too."""


class Lag(NamedTuple):
    """What the slowest live group has before it.

    Attributes:
        events: most events of one group that are unread or pending.
        age_ms: of the oldest such event, by its entry id.
    """

    events: int
    age_ms: int


def lag(clients: Clients, key: str, groups_key: str, *, cap_events: int, pin_ms: int, deadline_s: float) -> Lag:
    """Measure the lag of the stream `key`; zero if it has no live group. Raises BusError.

    Args:
        groups_key: hash of the group's name -> ms when it last had a live consumer.
        cap_events: more need not be told from one more.
        pin_ms: a group without a live consumer for so long does not count.
    """
    most = min(cap_events + 1, COUNTED)
    return Lag(*run(clients, script("lag"), [key, groups_key], most, pin_ms, deadline_s=deadline_s))


async def alag(clients: Clients, key: str, groups_key: str, *, cap_events: int, pin_ms: int, deadline_s: float) -> Lag:
    """The async twin of `lag`."""
    most = min(cap_events + 1, COUNTED)
    return Lag(*await arun(clients, script("lag"), [key, groups_key], most, pin_ms, deadline_s=deadline_s))


def trim_to(
    clients: Clients, key: str, *, events: int | None = None, age_ms: int | None = None, deadline_s: float
) -> int:
    """Remove the oldest entries, handled or not, and return how many. Raises BusError.

    Redis removes whole nodes only, 100 entries by default: up to so many more than asked for stay.

    Args:
        events: how many may stay.
        age_ms: how old what stays may be.
        deadline_s: for all of it; what is left to do is left.
    """
    until, removed = monotonic() + deadline_s, 0
    while (left_s := until - monotonic()) > 0:
        cut = int(run(clients, script("cut"), [key], *_limits(events, age_ms), deadline_s=left_s))
        removed += cut
        if not cut:
            break
    return removed


async def atrim_to(
    clients: Clients, key: str, *, events: int | None = None, age_ms: int | None = None, deadline_s: float
) -> int:
    """The async twin of `trim_to`."""
    until, removed = monotonic() + deadline_s, 0
    while (left_s := until - monotonic()) > 0:
        cut = int(await arun(clients, script("cut"), [key], *_limits(events, age_ms), deadline_s=left_s))
        removed += cut
        if not cut:
            break
    return removed


def _limits(events: int | None, age_ms: int | None) -> tuple[int | str, int | str]:
    return ("" if events is None else events), ("" if age_ms is None else age_ms)
