"""MAX_LAG: hold publishers back while the slowest group of a stream is too far behind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from .core.config import BusConfig, Limit
from .core.events import Message
from .core.exceptions import BusError, StreamFull
from .core.keys import GroupKeys, stream_key
from .transport.clients import Clients
from .transport.lag import Lag, alag, atrim_to, lag, trim_to

logger = logging.getLogger("django_redis_bus.sending")

LOOK_AGAIN_S = 1.0
"""How long what was found holds: a process asks for a stream's lag so often, not once per event."""
PIN_MS = 7 * 86_400_000
"""A group without a live consumer for so long holds nobody back, as in trimming."""


class Fullness:
    """Knows which streams of one bus are full, as of a second ago.

    Args:
        config: the bus's.
        clients: its connections.
        limit_of: the MAX_LAG of a stream, by its concrete name; asked once per name.
    """

    def __init__(self, config: BusConfig, clients: Clients, limit_of: Callable[[str], Limit | None]) -> None:
        self._config = config
        self._clients = clients
        self._limit_of = limit_of
        self._limits: dict[str, Limit | None] = {}
        self._found: dict[str, tuple[float, Lag]] = {}

    def refused(self, messages: Sequence[Message], deadline_s: float) -> Mapping[int, BusError]:
        """Return the error of each message, by its index, whose stream is full."""
        errors: dict[str, BusError | None] = {}
        for topic, limit in self._limited(messages):
            stream, groups = self._keys(topic)
            try:
                found = self._recent(topic)
                if found is None:
                    found = lag(
                        self._clients,
                        stream,
                        groups,
                        cap_events=limit.events or 0,
                        pin_ms=PIN_MS,
                        deadline_s=deadline_s,
                    )
                    self._found[topic] = (monotonic(), found)
                if _full(found, limit) and limit.on_full == "trim":
                    removed = trim_to(
                        self._clients, stream, events=limit.events, age_ms=_age_ms(limit), deadline_s=deadline_s
                    )
                    self._trimmed(topic, removed)
                    continue
            except BusError as error:
                errors[topic] = error
                continue
            errors[topic] = self._error(topic, found, limit)
        return _by_index(messages, errors)

    async def arefused(self, messages: Sequence[Message], deadline_s: float) -> Mapping[int, BusError]:
        """The async twin of `refused`."""
        errors: dict[str, BusError | None] = {}
        for topic, limit in self._limited(messages):
            stream, groups = self._keys(topic)
            try:
                found = self._recent(topic)
                if found is None:
                    found = await alag(
                        self._clients,
                        stream,
                        groups,
                        cap_events=limit.events or 0,
                        pin_ms=PIN_MS,
                        deadline_s=deadline_s,
                    )
                    self._found[topic] = (monotonic(), found)
                if _full(found, limit) and limit.on_full == "trim":
                    removed = await atrim_to(
                        self._clients, stream, events=limit.events, age_ms=_age_ms(limit), deadline_s=deadline_s
                    )
                    self._trimmed(topic, removed)
                    continue
            except BusError as error:
                errors[topic] = error
                continue
            errors[topic] = self._error(topic, found, limit)
        return _by_index(messages, errors)

    def _limited(self, messages: Sequence[Message]) -> list[tuple[str, Limit]]:
        """Return the limited streams among those of the messages."""
        found: dict[str, Limit] = {}
        for message in messages:
            topic = message.topic
            if topic not in self._limits:
                self._limits[topic] = self._limit_of(topic)
            limit = self._limits[topic]
            if limit is not None:
                found[topic] = limit
        return list(found.items())

    def _keys(self, topic: str) -> tuple[str, str]:
        stream = stream_key(self._config.key_prefix, topic)
        return stream, GroupKeys(stream=stream, group="").groups

    def _recent(self, topic: str) -> Lag | None:
        looked = self._found.get(topic)
        return looked[1] if looked is not None and monotonic() - looked[0] < LOOK_AGAIN_S else None

    def _trimmed(self, topic: str, removed: int) -> None:
        self._found.pop(topic, None)
        if removed:
            logger.warning("Stream %r is full: its oldest %d event(s) were trimmed, as ON_FULL says", topic, removed)

    def _error(self, topic: str, found: Lag, limit: Limit) -> BusError | None:
        if not _full(found, limit):
            return None
        allowed = f"{limit.events} events" if limit.events is not None else f"{limit.age_s:g} s"
        return StreamFull(
            f"Stream {topic!r} is full: its slowest group is {found.events} events, {found.age_ms / 1000:.0f} s "
            f"behind, and MAX_LAG is {allowed}. Start more consumers, or raise MAX_LAG.",
            spill=limit.on_full == "spill",
        )


def _full(found: Lag, limit: Limit) -> bool:
    if limit.events is not None:
        return found.events >= limit.events
    return limit.age_s is not None and found.age_ms >= limit.age_s * 1000


def _age_ms(limit: Limit) -> int | None:
    return None if limit.age_s is None else int(limit.age_s * 1000)


def _by_index(messages: Sequence[Message], errors: Mapping[str, BusError | None]) -> Mapping[int, BusError]:
    if not errors:
        return {}
    found = ((i, errors.get(message.topic)) for i, message in enumerate(messages))
    return {i: error for i, error in found if error is not None}
