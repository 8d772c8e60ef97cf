"""Single commands and scripts on the connections that publish, each within a deadline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from redis.exceptions import NoScriptError

from ..core.exceptions import BusError, Unavailable
from .clients import Clients
from .errors import translate
from .exchange import aperform, perform
from .scripts import Script
from .wire import pack


def call(clients: Clients, *command: Any, deadline_s: float) -> Any:
    """Send one command and return its raw reply. Raises BusError."""
    work = _Command(clients.where, pack(*command))
    perform(clients, work, deadline_s)
    return work.answer()


async def acall(clients: Clients, *command: Any, deadline_s: float) -> Any:
    """The async twin of `call`."""
    work = _Command(clients.where, pack(*command))
    await aperform(clients, work, deadline_s)
    return work.answer()


def call_many(clients: Clients, asked: Sequence[Sequence[Any]], *, deadline_s: float) -> list[Any]:
    """Send commands in one round trip; return their raw replies, a BusError in the place of a refused one.

    Raises BusError if the server cannot be asked, or the connection is lost on the way.
    """
    work = _Commands(clients.where, [pack(*command) for command in asked])
    perform(clients, work, deadline_s)
    return work.answers()


def run(clients: Clients, script: Script, keys: Sequence[str], *args: Any, deadline_s: float) -> Any:
    """Run a script and return its raw reply. Raises BusError."""
    work = _script(clients, script, keys, args)
    perform(clients, work, deadline_s)
    return work.answer()


def run_many(
    clients: Clients, script: Script, asked: Sequence[tuple[Sequence[str], Sequence[Any]]], *, deadline_s: float
) -> list[Any]:
    """Run a script several times in one round trip, in two if the server does not know it.

    Args:
        asked: the keys and the arguments of each run.

    Returns their raw replies, a BusError in the place of a refused one. Raises as `call_many`.
    """
    rests = [(len(keys), *keys, *args) for keys, args in asked]
    work = _Commands(
        clients.where,
        [pack("EVALSHA", script.sha, *rest) for rest in rests],
        by_text=lambda index: pack("EVAL", script.text, *rests[index]),
    )
    perform(clients, work, deadline_s)
    return work.answers()


async def arun(clients: Clients, script: Script, keys: Sequence[str], *args: Any, deadline_s: float) -> Any:
    """The async twin of `run`."""
    work = _script(clients, script, keys, args)
    await aperform(clients, work, deadline_s)
    return work.answer()


def _script(clients: Clients, script: Script, keys: Sequence[str], args: Sequence[Any]) -> _Command:
    rest = (len(keys), *keys, *args)
    return _Command(clients.where, pack("EVALSHA", script.sha, *rest), pack("EVAL", script.text, *rest))


def _lost(error: BaseException, where: str, sent: bool) -> BusError:
    found = translate(error, where=where)
    return Unavailable(str(found), perhaps_sent=sent) if isinstance(found, Unavailable) else found


class _Command:
    """Work of one command.

    Args:
        where: the server's address, for messages.
        data: the packed command.
        by_text: what to send if the server does not know the script.
    """

    def __init__(self, where: str, data: bytes, by_text: bytes = b"") -> None:
        self.unsent = True
        self.expected = 1
        self.replies: list[Any] = []
        self.stale = False
        self._where = where
        self._data = data
        self._by_text = by_text
        self._answer: Any = None

    def pieces(self) -> Iterator[bytes]:
        yield self._data

    def settle(self) -> None:
        reply = self.replies.pop()
        if isinstance(reply, NoScriptError) and self._by_text:
            self._data, self._by_text = self._by_text, b""
            return
        self.unsent = False
        self._answer = translate(reply, where=self._where) if isinstance(reply, Exception) else reply
        self.stale = isinstance(self._answer, Unavailable)

    def fail(self, error: BaseException, sent: bool) -> None:
        self._answer = _lost(error, self._where, sent)

    def answer(self) -> Any:
        if isinstance(self._answer, BusError):
            raise self._answer
        return self._answer


class _Commands:
    """Work of several commands that have nothing to do with each other.

    Args:
        where: the server's address, for messages.
        packed: the commands.
        by_text: returns what to send in the place of one of them, by its index, if the server does not know the script.
    """

    def __init__(self, where: str, packed: Sequence[bytes], by_text: Callable[[int], bytes] | None = None) -> None:
        self.unsent = bool(packed)
        self.expected = len(packed)
        self.replies: list[Any] = []
        self.stale = False
        self._where = where
        self._packed = packed
        self._by_text = by_text
        self._sent: Sequence[int] = range(len(packed))
        self._answers: list[Any] = [None] * len(packed)
        self._failed: BusError | None = None

    def pieces(self) -> Iterator[bytes]:
        yield b"".join(self._packed)

    def settle(self) -> None:
        unknown = []
        for index, reply in zip(self._sent, self.replies, strict=True):
            if self._by_text is not None and isinstance(reply, NoScriptError):
                unknown.append(index)
            elif isinstance(reply, Exception):
                self._answers[index] = translate(reply, where=self._where)
            else:
                self._answers[index] = reply
        self.replies.clear()
        self.stale = any(isinstance(answer, Unavailable) for answer in self._answers)
        self.unsent = bool(unknown)
        if self._by_text is not None:
            self._packed, self._sent = [self._by_text(index) for index in unknown], unknown
            self._by_text = None
        self.expected = len(unknown)

    def fail(self, error: BaseException, sent: bool) -> None:
        self._failed = _lost(error, self._where, sent)

    def answers(self) -> list[Any]:
        if self._failed is not None:
            raise self._failed
        return self._answers
