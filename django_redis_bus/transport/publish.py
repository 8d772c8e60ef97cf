"""Send events, to streams and channels: any number in few round trips, one result for each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from ..core.exceptions import AccessRefused, BusError, TransportError, Unavailable
from .clients import Clients
from .errors import translate
from .exchange import aperform, perform
from .plan import CHUNK_BYTES, plan
from .steps import Appended, Cast, Done, Entry, Live, Outcome, Step

__all__ = ["CHUNK", "CHUNK_BYTES", "Appended", "Cast", "Done", "Entry", "Live", "aappend", "append"]

CHUNK = 1_000
"""Entries that have one deadline; more at once would only grow the buffers of both sides."""
PIECE_BYTES = 16_384
"""Bytes that are worth a system call of their own."""
_TROUBLE = (TransportError, AccessRefused)
"""Refusals that are the server's trouble, not the event's: it may be added later."""


def append(
    clients: Clients, entries: Sequence[Entry | Live], *, window_s: float | None, deadline_s: float
) -> list[Done | BusError]:
    """Add every entry that its stream does not know yet, publish every message; return a result for each, in order.

    Raises nothing. What was under way when the deadline passed or the connection broke may have been added: its result
    is Unavailable, and it is added once if it is sent again within the window, with `once` and with the error's token
    (a channel's message would be published twice). When the server is in trouble, nothing is added to a stream behind
    an entry that was not: it may still come, by another way.

    Args:
        window_s: how long ids and batches are remembered; None for plain XADDs, of which nothing is remembered.
        deadline_s: for each piece of CHUNK entries. After the first that gets no answer nothing more is sent.
    """
    results: list[Done | BusError] = []
    blocked: dict[str, BusError] = {}
    for at in range(0, len(entries), CHUNK):
        work = _Chunk(entries[at : at + CHUNK], window_s, clients.where, blocked)
        if work.unsent:
            perform(clients, work, deadline_s)
        results += work.results
        if work.stale:
            break
    return _completed(results, len(entries))


async def aappend(
    clients: Clients, entries: Sequence[Entry | Live], *, window_s: float | None, deadline_s: float
) -> list[Done | BusError]:
    """The async twin of `append`."""
    results: list[Done | BusError] = []
    blocked: dict[str, BusError] = {}
    for at in range(0, len(entries), CHUNK):
        work = _Chunk(entries[at : at + CHUNK], window_s, clients.where, blocked)
        if work.unsent:
            await aperform(clients, work, deadline_s)
        results += work.results
        if work.stale:
            break
    return _completed(results, len(entries))


def _completed(results: list[Done | BusError], count: int) -> list[Done | BusError]:
    missing = count - len(results)
    if missing:
        reason = next(str(result) for result in reversed(results) if isinstance(result, Unavailable))
        results += [Unavailable(reason)] * missing
    return results


class _Chunk:
    """Work: one piece of entries, in rounds of one step per stream. See exchange.Work.

    Args:
        blocked: streams to which nothing more may be added, and why; those that are found to be so come to it.

    Attributes:
        results: of the entries; complete when the work has been performed.
    """

    def __init__(
        self, entries: Sequence[Entry | Live], window_s: float | None, where: str, blocked: dict[str, BusError]
    ) -> None:
        window_ms = None if window_s is None else max(1, int(window_s * 1000))
        self.results: list[Done | BusError] = [None] * len(entries)  # type: ignore[list-item]
        self.stale = False
        self._stale_because: BusError | None = None
        self._where = where
        self._blocked = blocked
        self._left = plan(entries, window_ms=window_ms, token=_token)
        for key in [key for key in self._left if key in blocked] if blocked else ():
            self._block(key, blocked[key])
        self._prepare()

    def _prepare(self) -> None:
        """Choose what is written now: of each stream one step, as its next may not be added if this one is refused."""
        steps = [(key, left[0]) for key, left in self._left.items()]
        if len(steps) > 1:
            size = 0
            for count, (_, step) in enumerate(steps):
                size += step.size
                if count and size > CHUNK_BYTES:
                    del steps[count:]
                    break
        self._steps = steps
        self.unsent = bool(steps)
        self.expected = sum([step.replies for _, step in steps])
        self.replies: list[Any] = []

    def pieces(self) -> Iterator[bytes]:
        held, size = [], 0
        for _, step in self._steps:
            for piece in step.pieces():
                held.append(piece)
                size += len(piece)
                if size >= PIECE_BYTES:
                    yield b"".join(held)
                    held, size = [], 0
        if held:
            yield b"".join(held)

    def settle(self) -> None:
        for key, step, replies in self._answered():
            again = step.again(replies)
            if again is not None:
                self._left[key][0] = again
                continue
            trouble = self._note(step, replies)
            del self._left[key][0]
            if trouble is not None and step.in_order:
                self._block(key, trouble)
            elif not self._left[key]:
                del self._left[key]
        if self.stale:
            assert self._stale_because is not None
            for key in list(self._left):
                self._block(key, self._stale_because)
        if self._left:
            self._prepare()
        else:
            self.unsent = False

    def fail(self, error: BaseException, sent: bool) -> None:
        failure = translate(error, where=self._where)
        self.stale = isinstance(failure, Unavailable)
        for key, step, replies in self._answered():
            undone = step.again(replies) is not None
            mine = failure
            if sent and not undone and isinstance(failure, Unavailable):
                mine = Unavailable(str(failure), token=step.token, perhaps_sent=True)
            for index in step.indexes:
                self.results[index] = mine
            if not undone:
                self._note(step, replies)
            del self._left[key][0]
        for key in list(self._left):
            self._block(key, failure)

    def _answered(self) -> Sequence[tuple[str, Step, Sequence[Any]]]:
        if len(self._steps) == 1:
            return [(*self._steps[0], self.replies)]
        found, at = [], 0
        for key, step in self._steps:
            found.append((key, step, self.replies[at : at + step.replies]))
            at += step.replies
        return found

    def _note(self, step: Step, replies: Sequence[Any]) -> BusError | None:
        """Note what became of the entries, as far as the replies tell; return what the server's trouble was, if any."""
        trouble = None
        results = self.results
        for index, outcome in zip(step.indexes, step.outcomes(replies), strict=False):
            if type(outcome) is Appended or type(outcome) is Cast:
                results[index] = outcome
            else:
                results[index] = error = self._refused(outcome)
                if isinstance(error, _TROUBLE) and not isinstance(trouble, Unavailable):
                    trouble = error
        return trouble

    def _block(self, key: str, trouble: BusError) -> None:
        """Give up what is left of a stream: an entry before it was not added."""
        self._blocked.setdefault(key, trouble)
        # Of the same kind, so that all meet the same fate; but without its token.
        mine = type(trouble)(f"not sent, because of an event before it: {trouble}")
        for step in self._left.pop(key):
            for index in step.indexes:
                self.results[index] = mine

    def _refused(self, outcome: Outcome) -> BusError:
        assert isinstance(outcome, Exception)
        error = outcome if isinstance(outcome, BusError) else translate(outcome, where=self._where)
        if isinstance(error, Unavailable):
            self.stale = True
            self._stale_because = error
        return error


def _token() -> str:
    return os.urandom(16).hex()
