"""Append events: any number of entries in few round trips, one result for each, each added once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from ..core.exceptions import BusError, Unavailable
from .clients import Clients
from .errors import translate
from .exchange import aperform, perform
from .plan import Appended, Entry, Outcome, Step, plan

__all__ = ["CHUNK", "CHUNK_BYTES", "Appended", "Entry", "aappend", "append"]

CHUNK = 1_000
"""Entries written as one piece; more would only grow the buffers of both sides."""
CHUNK_BYTES = 4_000_000
"""Bytes of data written as one piece: a piece has one deadline, and Redis holds a batch until it is complete."""
PIECE_BYTES = 16_384
"""Bytes that are worth a system call of their own."""


def append(
    clients: Clients, entries: Sequence[Entry], *, window_s: float | None, deadline_s: float
) -> list[Appended | BusError]:
    """Add every entry that its stream does not know yet; return a result for each, in order. Raises nothing.

    What was under way when the deadline passed or the connection broke may have been added: its result is Unavailable,
    and it is added once if it is sent again within the window, with `once` and with the error's token.

    Args:
        window_s: how long ids and batches are remembered; None for plain XADDs, of which nothing is remembered.
        deadline_s: for each piece of CHUNK entries. After the first that gets no answer nothing more is sent.
    """
    results: list[Appended | BusError] = []
    for chunk in _chunks(entries):
        work = _Chunk(chunk, window_s, clients.where)
        perform(clients, work, deadline_s)
        results += work.results
        if work.stale:
            break
    return _completed(results, len(entries))


async def aappend(
    clients: Clients, entries: Sequence[Entry], *, window_s: float | None, deadline_s: float
) -> list[Appended | BusError]:
    """The async twin of `append`."""
    results: list[Appended | BusError] = []
    for chunk in _chunks(entries):
        work = _Chunk(chunk, window_s, clients.where)
        await aperform(clients, work, deadline_s)
        results += work.results
        if work.stale:
            break
    return _completed(results, len(entries))


def _chunks(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    if len(entries) == 1:
        yield entries
        return
    start = size = 0
    for at, entry in enumerate(entries):
        bulk = len(entry.fields[-1])  # the data; the rest is small beside what matters here
        size += bulk
        if at - start == CHUNK or (size > CHUNK_BYTES and at > start):
            yield entries[start:at]
            start, size = at, bulk
    if start < len(entries):
        yield entries[start:]


def _completed(results: list[Appended | BusError], count: int) -> list[Appended | BusError]:
    missing = count - len(results)
    if missing:
        reason = next(str(result) for result in reversed(results) if isinstance(result, Unavailable))
        results += [Unavailable(reason)] * missing
    return results


class _Chunk:
    """Work: one piece of entries. See exchange.Work.

    Attributes:
        results: of the entries; complete when the work has been performed.
    """

    def __init__(self, entries: Sequence[Entry], window_s: float | None, where: str) -> None:
        window_ms = None if window_s is None else max(1, int(window_s * 1000))
        self.results: list[Appended | BusError] = [None] * len(entries)  # type: ignore[list-item]
        self.stale = False
        self._where = where
        self._send(plan(entries, window_ms=window_ms, token=_token))

    def _send(self, steps: list[Step]) -> None:
        self._steps = steps
        self.unsent = bool(steps)
        self.expected = sum([step.replies for step in steps])
        self.replies: list[Any] = []

    def pieces(self) -> Iterator[bytes]:
        held, size = [], 0
        for step in self._steps:
            for piece in step.pieces():
                held.append(piece)
                size += len(piece)
                if size >= PIECE_BYTES:
                    yield b"".join(held)
                    held, size = [], 0
        if held:
            yield b"".join(held)

    def settle(self) -> None:
        missed: list[Step] = []
        for step, replies in self._answered():
            again = step.again(replies)
            if again is None:
                self._note(step, replies)
            else:
                missed.append(again)
        if missed:
            self._send(missed)
        else:
            self.unsent = False

    def fail(self, error: BaseException, sent: bool) -> None:
        failure = translate(error, where=self._where)
        self.stale = isinstance(failure, Unavailable)
        for step, replies in self._answered():
            undone = step.again(replies) is not None
            told = 0 if undone else self._note(step, replies)
            mine = failure
            if sent and not undone and step.token and isinstance(failure, Unavailable):
                mine = Unavailable(str(failure), token=step.token)
            for index in step.indexes[told:]:
                self.results[index] = mine

    def _answered(self) -> Sequence[tuple[Step, Sequence[Any]]]:
        if len(self._steps) == 1:
            return [(self._steps[0], self.replies)]
        found, at = [], 0
        for step in self._steps:
            found.append((step, self.replies[at : at + step.replies]))
            at += step.replies
        return found

    def _note(self, step: Step, replies: Sequence[Any]) -> int:
        outcomes = step.outcomes(replies)
        results = self.results
        for index, outcome in zip(step.indexes, outcomes, strict=False):
            results[index] = outcome if type(outcome) is Appended else self._refused(outcome)
        return len(outcomes)

    def _refused(self, outcome: Outcome) -> BusError:
        assert isinstance(outcome, Exception)
        error = outcome if isinstance(outcome, BusError) else translate(outcome, where=self._where)
        if isinstance(error, Unavailable):
            self.stale = True
        return error


def _token() -> str:
    return os.urandom(16).hex()
