"""How entries are added so that each is there once: which commands, and what their replies mean. No I/O.

The entries of a chunk are sorted by stream, in order, into (for channels see `casting`)

- batches: runs of at least two entries of one stream. A transaction notes the batch's token and adds them all. If its
  fate remains unknown, the entries are sent again with the token.
- an entry alone: the same with its own id as the token.
- scripts: entries whose id or token has to be looked up, each by itself (lua/append.lua).

Without a window nothing is noted and nothing looked up: a transaction for a batch, a bare XADD for an entry alone.

A server's refusal may last a millisecond only. So each step is added as a whole or up to the first that is refused, and
is answered before the next of its stream is written: else later events would overtake those that were refused.

A transaction that arrives late, after its entries were sent again, must add nothing. The second sending has noted the
id, or the token as "void"; PEXPIRE touches that key if it exists, and a touched key that is watched makes EXEC do
nothing. A script that looked would cost Redis twice as much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import NoScriptError

from ..core.exceptions import Unavailable
from ..core.keys import dedup_key
from .casting import plan_live
from .scripts import script
from .steps import Appended, Entry, Live, Outcome, Step
from .wire import pack

MULTI = pack("MULTI")
EXEC = pack("EXEC")
PER_PIECE = 100
"""Entries packed at a time."""
PER_BATCH = 200
PER_SCRIPT = 50
"""Entries per transaction and per script: Redis does nothing else while it runs."""
CHUNK_BYTES = 4_000_000
"""Bytes of data per transaction or script, and of all that is written before an answer is read: Redis holds them."""


def plan(entries: Sequence[Entry | Live], *, window_ms: int | None, token: Callable[[], str]) -> dict[str, list[Step]]:
    """Return the steps that send the entries of one chunk, by stream or channel, in order.

    Args:
        window_ms: how long an id or token is remembered; None for no memory at all.
        token: returns a new random name for a batch.
    """
    if len(entries) == 1:  # the most frequent case by far
        first = entries[0]
        if isinstance(first, Live):
            return plan_live(entries, (0,))
        if not (first.once or first.token):
            return {first.key: [Alone(first, (0,), window_ms)]}
    streams: dict[str, list[_Run]] = {}
    live: list[int] = []
    for index, entry in enumerate(entries):
        if isinstance(entry, Live):
            live.append(index)
            continue
        key, _, fields, once, known_as = entry
        looked_up = window_ms is not None and (once or known_as != "")
        bulk = len(fields[-1])  # the data; the rest is small beside what matters here
        runs = streams.setdefault(key, [])
        if not runs or not runs[-1].takes(looked_up, bulk):
            runs.append(_Run(looked_up, [], 0))
        runs[-1].indexes.append(index)
        runs[-1].size += bulk
    steps = {key: [_step(entries, run, window_ms, token) for run in runs] for key, runs in streams.items()}
    return {**steps, **plan_live(entries, live)} if live else steps


@dataclass(slots=True)
class _Run:
    looked_up: bool
    indexes: list[int]
    size: int

    def takes(self, looked_up: bool, bulk: int) -> bool:
        most = PER_SCRIPT if looked_up else PER_BATCH
        return self.looked_up is looked_up and len(self.indexes) < most and self.size + bulk <= CHUNK_BYTES


def _step(entries: Sequence[Any], run: _Run, window_ms: int | None, token: Callable[[], str]) -> Step:
    if run.looked_up:
        assert window_ms is not None
        return Once(run.indexes, run.size, _arguments(entries, run.indexes, window_ms))
    if len(run.indexes) == 1:
        return Alone(entries[run.indexes[0]], run.indexes, window_ms)
    return Batch(entries, run.indexes, run.size, window_ms, "" if window_ms is None else token())


@dataclass(frozen=True, slots=True)
class Alone:
    """One entry, added if its id is not known."""

    entry: Entry
    indexes: Sequence[int]
    window_ms: int | None
    token: str = ""
    in_order: bool = True

    @property
    def size(self) -> int:
        return len(self.entry.fields[-1])

    @property
    def replies(self) -> int:
        return 1 if self.window_ms is None else 6

    def pieces(self) -> Iterator[bytes]:
        key, event_id, fields, _, _ = self.entry
        added = pack("XADD", key, "*", *fields)
        if self.window_ms is None:
            yield added
        else:
            yield b"".join((_opening(dedup_key(key, event_id), self.window_ms), added, EXEC))

    def outcomes(self, replies: Sequence[Any]) -> Sequence[Outcome]:
        if self.window_ms is None:
            return _added(replies)
        if len(replies) < self.replies:
            return []
        return [Appended(None, True)] if replies[-1] is None else _executed(replies, 1)

    def again(self, replies: Sequence[Any]) -> Step | None:
        return None


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries of one stream, added all or none, under a token if there is a window."""

    entries: Sequence[Any]
    indexes: Sequence[int]
    size: int
    window_ms: int | None
    token: str
    in_order: bool = True

    @property
    def replies(self) -> int:
        return len(self.indexes) + (2 if self.window_ms is None else 5)

    def pieces(self) -> Iterator[bytes]:
        if self.window_ms is None:
            yield MULTI
        else:
            yield _opening(dedup_key(self.entries[self.indexes[0]].key, self.token), self.window_ms)
        yield from _xadds(self.entries, self.indexes)
        yield EXEC

    def outcomes(self, replies: Sequence[Any]) -> Sequence[Outcome]:
        if len(replies) < self.replies:
            return []
        if replies[-1] is None:
            late = Unavailable("the batch came late, its events had been sent again", token=self.token)
            return [late] * len(self.indexes)
        return _executed(replies, len(self.indexes))

    def again(self, replies: Sequence[Any]) -> Step | None:
        return None


@dataclass(frozen=True, slots=True)
class Once:
    """Entries of one stream, each added if neither its id nor its token is known."""

    indexes: Sequence[int]
    size: int
    args: tuple[str | bytes | int, ...]
    by_text: bool = False
    replies: int = 1
    token: str = ""
    in_order: bool = True

    def pieces(self) -> Iterator[bytes]:
        append = script("append")
        yield pack("EVAL", append.text, *self.args) if self.by_text else pack("EVALSHA", append.sha, *self.args)

    def outcomes(self, replies: Sequence[Any]) -> Sequence[Outcome]:
        if not replies:
            return []
        answers = replies[0]
        if isinstance(answers, Exception):
            return [answers] * len(self.indexes)
        return [
            Appended(answer[0].decode() or None, True) if type(answer) is list else answer for answer in _added(answers)
        ]

    def again(self, replies: Sequence[Any]) -> Step | None:
        missed = bool(replies) and isinstance(replies[0], NoScriptError)
        return Once(self.indexes, self.size, self.args, by_text=True) if missed else None


def _opening(note: str, window_ms: int) -> bytes:
    window = str(window_ms)
    return pack("WATCH", note) + pack("PEXPIRE", note, window) + MULTI + pack("SET", note, "ran", "PX", window)


def _executed(replies: Sequence[Any], count: int) -> Sequence[Outcome]:
    """Return what became of the `count` entries of a transaction: `replies` end with those to the XADDs and to EXEC."""
    done = replies[-1]
    if isinstance(done, list):
        return _added(done[-count:])
    # Refused. The reason stands before EXEC's own error; a user who lacks MULTI has added the entries all the same.
    reason = next(reply for reply in replies if isinstance(reply, Exception))
    return _added([reason if reply == b"QUEUED" else reply for reply in replies[-1 - count : -1]])


def _added(replies: Sequence[Any]) -> list[Any]:
    return [Appended(reply.decode(), False) if type(reply) is bytes else reply for reply in replies]


def _xadds(entries: Sequence[Any], indexes: Sequence[int]) -> Iterator[bytes]:
    for at in range(0, len(indexes), PER_PIECE):
        some = [entries[i] for i in indexes[at : at + PER_PIECE]]
        yield b"".join([pack("XADD", key, "*", *fields) for key, _, fields, _, _ in some])


def _arguments(entries: Sequence[Any], indexes: Sequence[int], window_ms: int) -> tuple[str | bytes | int, ...]:
    key = entries[indexes[0]].key
    ids = [dedup_key(key, entries[i].event_id) for i in indexes]
    tokens = list(dict.fromkeys(entries[i].token for i in indexes if entries[i].token))
    places = {token: len(ids) + place for place, token in enumerate(tokens, 1)}
    args: list[str | bytes | int] = [1 + len(ids) + len(tokens), key, *ids]
    args += [dedup_key(key, token) for token in tokens]
    args += [window_ms, len(ids)]
    for i in indexes:
        entry = entries[i]
        args += [places.get(entry.token, 0), len(entry.fields), *entry.fields]
    return tuple(args)
