"""One channel on Redis, as a room sees it: its subscription, its history, and the rotation of its epoch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..bus import Bus
from ..core.keys import ChannelKeys, stream_key
from ..core.live import as_json, offset_of
from ..core.topics import ChannelTopic
from ..transport.history import aresume, arotate
from .members import Resumed
from .timeline import Kept, Position

PATIENT_S = 5.0
"""How long Redis may take when nobody waits for it: a thousand missed messages may be many megabytes."""
BEGUN_MS = 600_000
"""How long an epoch lives in which nothing has been published, after the last room asked for it: anybody who may join
can make one. The first message keeps it as long as the channel's history."""
ATTACH_S = 3.0
"""How long Redis may take to confirm a subscription."""


class BusSource:
    """See members.Source.

    Args:
        bus: where the channel is.
        channel: as declared.
        topic: its concrete name.
        asking: how many rooms may ask Redis at once, as after a reconnect all of them do.
    """

    def __init__(self, bus: Bus, channel: ChannelTopic, topic: str, asking: asyncio.Semaphore) -> None:
        self.topic = topic
        self.history = channel.keeping.history
        self.history_age_s = channel.keeping.age_ms / 1000
        self._bus = bus
        self._keys = ChannelKeys(channel=stream_key(bus.config.key_prefix, topic))
        self._asking = asking
        self._attachment: Any = None

    async def attach(self, on_message: Callable[[bytes], None], on_gap: Callable[[], None]) -> None:
        def take(topic: str, raw: bytes, pattern: str | None) -> None:
            on_message(raw)

        self._attachment = await self._bus.live.attach(
            channels=[self.topic], on_message=take, on_gap=lambda gap: on_gap(), deadline_s=ATTACH_S
        )

    async def close(self) -> None:
        attachment, self._attachment = self._attachment, None
        if attachment is not None:
            await attachment.close()

    async def resume(self, position: Position | None, limit: int, *, patient: bool = False) -> Resumed:
        epoch, offset = position or (None, None)
        async with self._asking:
            # An epoch begins with the room, so that its first message is not told from a hole by guessing.
            found = await aresume(
                self._bus.clients, self._keys, epoch, offset, limit=limit,
                begin_ms=min(BEGUN_MS, int(self.history_age_s * 1000)),
                deadline_s=PATIENT_S if patient else self._bus.config.deadline_s,
            )  # fmt: skip
        at = Position(found.epoch, found.offset) if found.epoch and found.offset else None
        return Resumed(at, found.recovered, [self._kept(raw) for raw in found.messages])

    async def rotate(self, epoch: str) -> None:
        async with self._asking:
            await arotate(self._bus.clients, self._keys, epoch, deadline_s=self._bus.config.deadline_s)

    def read(self, raw: bytes) -> tuple[Position | None, str]:
        found = offset_of(raw) if self.history else None
        return None if found is None else Position(*found), as_json(raw).decode()

    def _kept(self, raw: bytes) -> Kept:
        found = offset_of(raw)
        return Kept(found[1] if found else "", as_json(raw).decode())
