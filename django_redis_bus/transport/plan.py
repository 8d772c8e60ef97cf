"""How entries are added so that each is there once: which commands, and what their replies mean. No I/O.

Without a window every entry is an XADD. With one, the entries of a chunk are sorted by stream, in order, into

- batches: runs of at least two entries of one stream. A transaction notes the batch's token and adds them all. If its
  fate remains unknown, the entries are sent again with the token.
- an entry alone: the same with its own id as the token.
- scripts: entries whose id or token has to be looked up, each by itself (lua/append.lua).

A transaction that arrives late, after its entries were sent again, must add nothing. The second sending has noted the
id, or the token as "void"; PEXPIRE touches that key if it exists, and a touched key that is watched makes EXEC do
nothing. A script that looked would cost Redis twice as much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from redis.exceptions import NoScriptError

from ..core.exceptions import BusError, Unavailable
from ..core.keys import dedup_key
from .scripts import script
from .wire import pack

MULTI = pack("MULTI")
EXEC = pack("EXEC")
PER_PIECE = 100
"""Entries packed at a time."""
PER_BATCH = 200
PER_SCRIPT = 50
"""Entries per transaction and per script: Redis does nothing else while it runs."""


class Entry(NamedTuple):
    """One entry to add.

    Attributes:
        key: of the stream.
        event_id: what tells this event from every other one of the stream.
        fields: flat: field, value, field, value, …
        once: an event of this id may have been added before, so look.
        token: of the batch under which it may have been added before; "" if there was none.
    """

    key: str
    event_id: str
    fields: list[bytes | str]
    once: bool = False
    token: str = ""


class Appended(NamedTuple):
    """An entry that is in its stream.

    Attributes:
        entry_id: given by Redis; None if it was added before, by a batch.
        known: it had been added before.
    """

    entry_id: str | None
    known: bool


Outcome: TypeAlias = "Appended | BusError | Exception"


class Step(Protocol):
    """Some commands of a chunk.

    Attributes:
        indexes: which entries of the chunk they add.
        replies: how many replies they are owed.
        token: under which the entries may have been added if the replies never come.
    """

    @property
    def indexes(self) -> Sequence[int]: ...
    @property
    def replies(self) -> int: ...
    @property
    def token(self) -> str: ...

    def pieces(self) -> Iterator[bytes]:
        """Pack the commands, in pieces: Redis works on one while the next is made."""
        ...

    def outcomes(self, replies: Sequence[Any]) -> Sequence[Outcome]:
        """Return what became of the entries, in order, as far as the replies tell: they may end early."""
        ...

    def again(self, replies: Sequence[Any]) -> Step | None:
        """Return what has to be sent now, if the server did nothing for want of a script's text."""
        ...


def plan(entries: Sequence[Entry], *, window_ms: int | None, token: Callable[[], str]) -> list[Step]:
    """Return the steps that add the entries of one chunk, each stream's in order.

    Args:
        window_ms: how long an id or token is remembered; None for no memory at all.
        token: returns a new random name for a batch.
    """
    if window_ms is None:
        return [Plain(entries, range(len(entries)), len(entries))]
    if len(entries) == 1 and not (entries[0].once or entries[0].token):  # the most frequent case by far
        return [Alone(entries[0], (0,), window_ms)]
    streams: dict[str, list[_Run]] = {}
    for index, (key, _, _, once, known_as) in enumerate(entries):
        looked_up = once or known_as != ""
        runs = streams.setdefault(key, [])
        if not runs or runs[-1].looked_up is not looked_up:
            runs.append(_Run(looked_up, []))
        runs[-1].indexes.append(index)
    steps: list[Step] = []
    for runs in streams.values():
        for run in runs:
            if run.looked_up:
                steps += _once(entries, run.indexes, window_ms, last=run is runs[-1])
                continue
            for at in range(0, len(run.indexes), PER_BATCH):
                some = run.indexes[at : at + PER_BATCH]
                if len(some) == 1:
                    steps.append(Alone(entries[some[0]], some, window_ms))
                else:
                    steps.append(Batch(entries, some, window_ms, token()))
    return steps


class _Run(NamedTuple):
    looked_up: bool
    indexes: list[int]


@dataclass(frozen=True, slots=True)
class Plain:
    """Entries added without looking."""

    entries: Sequence[Entry]
    indexes: Sequence[int]
    replies: int
    token: str = ""

    def pieces(self) -> Iterator[bytes]:
        return _xadds(self.entries, self.indexes)

    def outcomes(self, replies: Sequence[Any]) -> Sequence[Outcome]:
        return _added(replies)

    def again(self, replies: Sequence[Any]) -> Step | None:
        return None


@dataclass(frozen=True, slots=True)
class Alone:
    """One entry, added if its id is not known."""

    entry: Entry
    indexes: Sequence[int]
    window_ms: int
    replies: int = 6
    token: str = ""

    def pieces(self) -> Iterator[bytes]:
        key, event_id, fields, _, _ = self.entry
        note = dedup_key(key, event_id)
        yield b"".join((_opening(note, self.window_ms), pack("XADD", key, "*", *fields), EXEC))

    def outcomes(self, replies: Sequence[Any]) -> Sequence[Outcome]:
        if len(replies) < self.replies:
            return []
        return [Appended(None, True)] if replies[-1] is None else _executed(replies)

    def again(self, replies: Sequence[Any]) -> Step | None:
        return None


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries of one stream, added all or none, under a token."""

    entries: Sequence[Entry]
    indexes: Sequence[int]
    window_ms: int
    token: str

    @property
    def replies(self) -> int:
        return len(self.indexes) + 5

    def pieces(self) -> Iterator[bytes]:
        note = dedup_key(self.entries[self.indexes[0]].key, self.token)
        yield _opening(note, self.window_ms)
        yield from _xadds(self.entries, self.indexes)
        yield EXEC

    def outcomes(self, replies: Sequence[Any]) -> Sequence[Outcome]:
        if len(replies) < self.replies:
            return []
        if replies[-1] is None:
            late = Unavailable("the batch came late, its events had been sent again", token=self.token)
            return [late] * len(self.indexes)
        return _executed(replies)

    def again(self, replies: Sequence[Any]) -> Step | None:
        return None


@dataclass(frozen=True, slots=True)
class Once:
    """Entries of one stream, each added if neither its id nor its token is known."""

    indexes: Sequence[int]
    args: tuple[str | bytes | int, ...]
    by_text: bool
    replies: int = 1
    token: str = ""

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
        return Once(self.indexes, self.args, by_text=True) if missed else None


def _opening(note: str, window_ms: int) -> bytes:
    window = str(window_ms)
    return pack("WATCH", note) + pack("PEXPIRE", note, window) + MULTI + pack("SET", note, "ran", "PX", window)


def _executed(replies: Sequence[Any]) -> Sequence[Outcome]:
    """Return what became of the entries of a transaction: `replies` are those to _opening, the XADDs and EXEC."""
    done = replies[-1]
    if isinstance(done, list):
        return _added(done[1:])
    # Refused. The reason stands before EXEC's own error; a user who lacks MULTI has added the entries all the same.
    reason = next(reply for reply in replies if isinstance(reply, Exception))
    return _added([reason if reply == b"QUEUED" else reply for reply in replies[4:-1]])


def _added(replies: Sequence[Any]) -> list[Any]:
    return [Appended(reply.decode(), False) if type(reply) is bytes else reply for reply in replies]


def _xadds(entries: Sequence[Entry], indexes: Sequence[int]) -> Iterator[bytes]:
    for at in range(0, len(indexes), PER_PIECE):
        some = [entries[i] for i in indexes[at : at + PER_PIECE]]
        yield b"".join([pack("XADD", key, "*", *fields) for key, _, fields, _, _ in some])


def _once(entries: Sequence[Entry], indexes: Sequence[int], window_ms: int, *, last: bool) -> Iterator[Once]:
    for at in range(0, len(indexes), PER_SCRIPT):
        some = indexes[at : at + PER_SCRIPT]
        key = entries[some[0]].key
        ids = [dedup_key(key, entries[i].event_id) for i in some]
        tokens = list(dict.fromkeys(entries[i].token for i in some if entries[i].token))
        places = {token: len(ids) + place for place, token in enumerate(tokens, 1)}
        args: list[str | bytes | int] = [1 + len(ids) + len(tokens), key, *ids]
        args += [dedup_key(key, token) for token in tokens]
        args += [window_ms, len(ids)]
        for i in some:
            entry = entries[i]
            args += [places.get(entry.token, 0), len(entry.fields), *entry.fields]
        # What misses its text is sent again, behind all others: that may be only the last of its stream.
        yield Once(some, tuple(args), by_text=not last or some[-1] != indexes[-1])
