"""How messages are published to channels: which commands, and what their replies mean. No I/O.

What no history keeps is a PUBLISH; all of a chunk go in one step, whatever their channels. What a channel keeps goes
through lua/cast.lua, some at a time, and with it what the same batch says there in passing: it stays in its place.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import NoScriptError

from ..core.keys import ChannelKeys
from .scripts import script
from .steps import Cast, Outcome, Step
from .wire import pack

PER_PIECE = 100
"""Messages packed at a time."""
PER_SCRIPT = 200
"""Messages per script: Redis does nothing else while it runs."""
MOST_BYTES = 4_000_000
"""Bytes of messages per step: see plan.CHUNK_BYTES."""


def plan_live(entries: Sequence[Any], indexes: Sequence[int]) -> dict[str, list[Step]]:
    """Return the steps that publish these entries of a chunk, by channel; those without history under names of no key.

    Args:
        entries: of the whole chunk.
        indexes: which of them are Live.
    """
    if len(indexes) == 1:
        only = entries[indexes[0]]
        if only.keeping.history:
            return {f"\0{only.channel}": [Kept(entries, indexes)]}
        return {"\0\0": [Plain(entries, indexes)]}
    keeping = {entries[i].channel for i in indexes if entries[i].keeping.history}
    plain: list[list[int]] = []
    kept: dict[str, list[list[int]]] = {}
    size = 0
    sizes: dict[str, int] = {}
    for i in indexes:
        channel, data, _ = entries[i]
        if channel not in keeping:
            size += len(data)
            if not plain or size > MOST_BYTES:
                plain.append([])
                size = len(data)
            plain[-1].append(i)
            continue
        runs = kept.setdefault(channel, [])
        sizes[channel] = sizes.get(channel, 0) + len(data)
        if not runs or len(runs[-1]) >= PER_SCRIPT or sizes[channel] > MOST_BYTES:
            runs.append([])
            sizes[channel] = len(data)
        runs[-1].append(i)
    steps: dict[str, list[Step]] = {"\0" * (at + 2): [Plain(entries, run)] for at, run in enumerate(plain)}
    for channel, runs in kept.items():
        steps[f"\0{channel}"] = [Kept(entries, run) for run in runs]
    return steps


@dataclass(frozen=True, slots=True)
class Plain:
    """Messages that are not kept."""

    entries: Sequence[Any]
    indexes: Sequence[int]
    token: str = ""
    in_order: bool = False

    @property
    def size(self) -> int:
        return sum([len(self.entries[i].data) for i in self.indexes])

    @property
    def replies(self) -> int:
        return len(self.indexes)

    def pieces(self) -> Iterator[bytes]:
        for at in range(0, len(self.indexes), PER_PIECE):
            some = [self.entries[i] for i in self.indexes[at : at + PER_PIECE]]
            yield b"".join([pack("PUBLISH", channel, data) for channel, data, _ in some])

    def outcomes(self, replies: Sequence[Any]) -> Sequence[Outcome]:
        return [Cast(reply) if type(reply) is int else reply for reply in replies]

    def again(self, replies: Sequence[Any]) -> None:
        return None


@dataclass(slots=True)
class Kept:
    """Messages of one channel that has a history."""

    entries: Sequence[Any]
    indexes: Sequence[int]
    by_text: bool = False
    replies: int = 1
    token: str = ""
    in_order: bool = True

    @property
    def size(self) -> int:
        return sum([len(self.entries[i].data) for i in self.indexes])

    def pieces(self) -> Iterator[bytes]:
        cast = script("cast")
        some = [self.entries[i] for i in self.indexes]
        keys = ChannelKeys(some[0].channel)
        keeping = next(entry.keeping for entry in some if entry.keeping.history)
        luck = os.urandom(8 + 4 * len(some))
        args: list[Any] = [2, keys.live, keys.history, keys.channel, keeping.history, keeping.age_ms, luck[:8].hex()]
        for place, (_, data, its) in enumerate(some, 2):
            # Below 2**31, so that any client can hold it; 0 stands for a message that is lost (lua/resume.lua).
            number = int.from_bytes(luck[4 * place : 4 * place + 4]) >> 1 or 1
            args += (number if its.history else "", data[:-1])
        yield pack("EVAL", cast.text, *args) if self.by_text else pack("EVALSHA", cast.sha, *args)

    def outcomes(self, replies: Sequence[Any]) -> Sequence[Outcome]:
        if not replies:
            return []
        answers = replies[0]
        if isinstance(answers, Exception):
            return [answers] * len(self.indexes)
        epoch = answers[0].decode()
        return [
            Cast(answer[0], epoch if answer[1] else None, answer[1].decode() or None)
            if type(answer) is list
            else answer
            for answer in answers[1:]
        ]

    def again(self, replies: Sequence[Any]) -> Kept | None:
        missed = bool(replies) and isinstance(replies[0], NoScriptError)
        return Kept(self.entries, self.indexes, by_text=True) if missed else None
