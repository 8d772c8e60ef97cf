"""Processes that listen tell Redis of themselves, so that operators see them; a subscription alone tells nothing."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from .bus import Bus
from .core.exceptions import BusError
from .core.keys import listeners_key
from .transport.commands import acall, arun
from .transport.scripts import script

BEAT_S = 2.5
FAREWELL_S = 0.2
FORGOTTEN_MS = 3_600_000
TOPICS = 20
"""So many names are told."""


class Announcer:
    """Announces one listening process on one bus.

    Args:
        bus: that it listens to.
        what: "listen_pattern" or "relay".
        facts: returns what there is to tell: "topics", and the numbers "delivered", "dropped", "gaps", "sockets".
    """

    def __init__(self, bus: Bus, what: str, facts: Callable[[], Mapping[str, Any]]) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{what}"
        self._bus = bus
        self._what = what
        self._facts = facts
        self._key = listeners_key(bus.config.key_prefix)

    async def run(self) -> None:
        """Announce until cancelled, then take it back. Trouble with Redis is others' to tell."""
        try:
            while True:
                try:
                    await self._announce()
                except BusError:
                    pass
                await asyncio.sleep(BEAT_S)
        finally:
            try:
                await acall(self._bus.clients, "HDEL", self._key, self.name, deadline_s=FAREWELL_S)
            except BusError:
                pass  # it is forgotten by and by

    async def _announce(self) -> None:
        facts = dict(self._facts())
        topics: Sequence[str] = facts.get("topics", ())
        record = msgspec.json.encode({"what": self._what, **facts, "topics": list(topics[:TOPICS])})
        await arun(
            self._bus.clients, script("announce"), [self._key], self.name, record, FORGOTTEN_MS,
            deadline_s=self._bus.config.deadline_s,
        )  # fmt: skip
