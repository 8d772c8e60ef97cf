"""Redis goes away in the middle of the traffic, and comes back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import TypeVar

from redis.exceptions import ConnectionError as Refused

from django_redis_bus import bus

from .facts import AWAY, Facts
from .outbox import Outbox
from .screen import GREEN, RED, Screen

T = TypeVar("T")
FREEZE_AT_S, KILL_AT_S, START_AT_S = 5.0, 7.0, 8.5
NOTICED_S = 3.0
"""A server that somebody else has stopped is started again after so long."""


class Outage:
    """Stops the embedded server, and starts it again; one that is not ours to stop is left alone.

    The server is frozen first, the worst that can happen to a save: it is connected, and gets no answer. Then it is
    killed. Each command that it has answered is in its append-only file.

    Args:
        planned: whether there is to be one; else only what others have stopped is started.

    Attributes:
        under_way: whether Redis is away by our doing.
        span: from when to when it was away by our doing (monotonic seconds); None if it was not.
    """

    def __init__(self, screen: Screen, facts: Facts, outbox: Outbox, *, planned: bool) -> None:
        self.possible = bus.clients.location.startswith("embedded://")
        self.under_way = False
        self.span: tuple[float, float] | None = None
        self._screen = screen
        self._facts = facts
        self._outbox = outbox
        self._steps = [(FREEZE_AT_S, self._freeze), (KILL_AT_S, self._kill), (START_AT_S, self._start)]
        if not (planned and self.possible):
            self._steps.clear()
        self._pid = self._killed_ms = 0
        self._began = 0.0
        self._silent_since: float | None = None
        self._ask_again = 0.0
        self._dead = False

    def run_due(self, now_s: float) -> None:
        """Do what is due so many seconds after the opening."""
        while self._steps and self._steps[0][0] <= now_s:
            self._steps.pop(0)[1]()

    def ask(self, question: Callable[[], T]) -> T | None:
        """Return what Redis says; None while it is away."""
        if self.under_way or time.monotonic() < self._ask_again:
            return None
        try:
            return question()
        except AWAY as error:
            self._ask_again = time.monotonic() + 0.5  # a frozen server takes its time over not answering
            self._dead = isinstance(error, Refused)
            return None

    def noticed(self, now: float, *, answers: bool) -> None:
        """Start a server again that somebody else has stopped; one that is frozen is there, and is left alone.

        Args:
            now: the moment, in monotonic seconds.
            answers: whether Redis does.
        """
        if answers or self.under_way:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = now
            self._screen.note("Redis does not answer. Orders go on being placed", RED)
        elif self.possible and self._dead and now - self._silent_since >= NOTICED_S:
            self._silent_since = None
            self._start()

    def end(self) -> None:
        """Have Redis back, whatever has happened. Leaves no frozen process behind."""
        self._steps.clear()
        if self.under_way:
            if self._pid:
                self._kill()
            self._start()

    def _freeze(self) -> None:
        self._pid = int(self._facts.redis.info("server")["process_id"])
        self._began = time.monotonic()
        self.under_way = True
        os.kill(self._pid, signal.SIGSTOP)
        self._screen.note("Redis is frozen: connections stay open, and nothing is answered any more", RED)

    def _kill(self) -> None:
        # It wakes for a moment: what was sent to it meanwhile, and given up by its sender, may get into the stream.
        os.kill(self._pid, signal.SIGCONT)
        time.sleep(0.05)
        os.kill(self._pid, signal.SIGKILL)
        self._pid = 0
        self._killed_ms = int(time.time() * 1000)
        self._screen.note("Redis is killed (SIGKILL): connections are refused", RED)

    def _start(self) -> None:
        pending = self._outbox.pending()
        assert bus.url  # asking for it starts the server
        self._screen.note("Redis is started again, with all that it has confirmed", GREEN)
        if self.under_way:
            self.under_way = False
            self.span = self._began, time.monotonic()
            doubtful = sum(entry.event_id in pending for entry in self._facts.entries(str(self._killed_ms)))
            if doubtful:
                kept = "event that it" if doubtful == 1 else "events that it"
                self._screen.note(f"  and with {doubtful} {kept} had no time to confirm: sent again, added once", GREEN)
