"""Single commands and scripts on the connections that publish, each within a deadline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


async def arun(clients: Clients, script: Script, keys: Sequence[str], *args: Any, deadline_s: float) -> Any:
    """The async twin of `run`."""
    work = _script(clients, script, keys, args)
    await aperform(clients, work, deadline_s)
    return work.answer()


def _script(clients: Clients, script: Script, keys: Sequence[str], args: Sequence[Any]) -> _Command:
    rest = (len(keys), *keys, *args)
    return _Command(clients.where, pack("EVALSHA", script.sha, *rest), pack("EVAL", script.text, *rest))


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
        self._answer = translate(error, where=self._where)

    def answer(self) -> Any:
        if isinstance(self._answer, BusError):
            raise self._answer
        return self._answer


class _Commands:
    """Work of several commands that have nothing to do with each other.

    Args:
        where: the server's address, for messages.
        packed: the commands.
    """

    def __init__(self, where: str, packed: Sequence[bytes]) -> None:
        self.unsent = bool(packed)
        self.expected = len(packed)
        self.replies: list[Any] = []
        self.stale = False
        self._where = where
        self._packed = packed
        self._failed: BusError | None = None

    def pieces(self) -> Iterator[bytes]:
        yield b"".join(self._packed)

    def settle(self) -> None:
        self.unsent = False
        self.replies = [
            translate(reply, where=self._where) if isinstance(reply, Exception) else reply for reply in self.replies
        ]
        self.stale = any(isinstance(reply, Unavailable) for reply in self.replies)

    def fail(self, error: BaseException, sent: bool) -> None:
        self._failed = translate(error, where=self._where)

    def answers(self) -> list[Any]:
        if self._failed is not None:
            raise self._failed
        return self.replies
