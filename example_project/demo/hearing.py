"""Did each client of a channel get each message once, and in order? Pure: logs in, differences out.

The messages of a channel are numbered, 1, 2, 3 …, so a log proves itself: from where the client came in to the newest
message, each number follows the one before. The only other way on is a gap that the server has reported.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .reconcile import differ


class Position(NamedTuple):
    """Where a message stands: in which epoch of the channel, and its number there."""

    epoch: str
    n: int


class Start(NamedTuple):
    """The client came in, or came back without anything to go on from. None: nothing had been said."""

    position: Position | None


class Message(NamedTuple):
    position: Position
    event_id: str


class Gap(NamedTuple):
    """The server said that messages are missing, how many if it knew, and where it goes on."""

    position: Position | None
    missed: int | None


Item = Start | Message | Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one client made of one channel.

    Attributes:
        ids: of the events that it received, in order.
        gaps: how many losses it was told of; `missed` messages in all, as far as anybody knows.
        differences: what it received twice, out of order, or never.
    """

    ids: tuple[str, ...]
    gaps: int
    missed: int
    differences: tuple[str, ...]


def hear(name: str, log: Sequence[Item], newest: Position | None, kept: Mapping[Position, str]) -> Heard:
    """Return what a client heard.

    Args:
        name: of the client, for the differences.
        log: what it received, in order.
        newest: the newest message of the channel; None if there was none.
        kept: the ids of those that Redis still has.
    """
    holes: list[str] = []
    again: list[int] = []
    wrong: list[int] = []
    at: Position | None = None
    for item in log:
        if isinstance(item, Message):
            epoch, n = item.position
            before = at.n if at is not None and at.epoch == epoch else 0
            if n <= before:
                again.append(n)
                continue
            if n > before + 1 or (at is not None and at.epoch != epoch):
                holes.append(f"{before + 1} to {n - 1}")
            if kept.get(item.position, item.event_id) != item.event_id:
                wrong.append(n)
        at = item.position
    if newest is not None and at != newest:
        holes.append(f"{at.n + 1 if at else 1} to {newest.n}")
    gaps = [item for item in log if isinstance(item, Gap)]
    return Heard(
        ids=tuple(item.event_id for item in log if isinstance(item, Message)),
        gaps=len(gaps),
        missed=sum(gap.missed or 0 for gap in gaps),
        differences=(
            *differ(f"{name} never received, and was not told", holes),
            *differ(f"{name} received twice or too late", again),
            *differ(f"{name} received something else than Redis has", wrong),
        ),
    )


def unheard(name: str, said: Iterable[str], heard: Heard) -> list[str]:
    """Return the difference if something that was confirmed as said was not heard, and no gap explains it."""
    known = set(heard.ids)
    missing = [event_id for event_id in said if event_id not in known]
    return [] if heard.gaps else differ(f"said, but {name} did not receive", missing)


def others(said: Collection[str], heard: Heard) -> int:
    """Return how many messages came from somebody else: from a person with a browser, say."""
    return len(set(heard.ids).difference(said))
