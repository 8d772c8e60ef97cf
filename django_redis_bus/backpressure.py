"""MAX_LAG: hold publishers back while the slowest group of a stream is too far behind."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

from .core.config import BusConfig, Limit
from .core.events import Message
from .core.exceptions import BusError, StreamFull, Unavailable
from .core.keys import GroupKeys, stream_key
from .transport.clients import Clients
from .transport.lag import Lag, alag, atrim_to, lag, trim_to

logger = logging.getLogger("django_redis_bus.sending")

LOOK_AGAIN_S = 1.0
"""How long what was found holds: a process asks for a stream's lag so often, not once per event."""
MOST_TOPICS = 10_000
"""So many streams are remembered."""
PIN_MS = 7 * 86_400_000
"""A group without a live consumer for so long holds nobody back, as in trimming."""

_LEAST_S = 0.001
_MEANWHILE = {"raise": "publishing to it fails", "spill": "its events wait in the outbox"}


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
        self._full: set[str] = set()

    def refused(self, messages: Sequence[Message], deadline_s: float) -> Mapping[int, BusError]:
        """Return the error of each message, by its index, whose stream is full.

        Args:
            deadline_s: for all of it.

        Raises Unavailable when Redis does not answer in time.
        """
        steps = self._look(messages, deadline_s)
        try:
            ask = next(steps)
            while True:
                try:
                    answer = ask.now()
                except BusError as error:
                    ask = steps.throw(error)
                else:
                    ask = steps.send(answer)
        except StopIteration as end:
            found: Mapping[int, BusError] = end.value
            return found

    async def arefused(self, messages: Sequence[Message], deadline_s: float) -> Mapping[int, BusError]:
        """The async twin of `refused`."""
        steps = self._look(messages, deadline_s)
        try:
            ask = next(steps)
            while True:
                try:
                    answer = await ask.later()
                except BusError as error:
                    ask = steps.throw(error)
                else:
                    ask = steps.send(answer)
        except StopIteration as end:
            found: Mapping[int, BusError] = end.value
            return found

    def _look(self, messages: Sequence[Message], deadline_s: float) -> Generator[_Ask, Any, Mapping[int, BusError]]:
        """What both twins do: yield what Redis is to be asked, and take its answer or its error."""
        until = monotonic() + deadline_s
        errors: dict[str, BusError] = {}
        for topic, limit in self._limited(messages):
            stream, groups = self._keys(topic)
            left_s = max(until - monotonic(), _LEAST_S)
            try:
                found = self._recent(topic)
                if found is None:
                    asked: dict[str, Any] = {"cap_events": limit.events or 0, "pin_ms": PIN_MS, "deadline_s": left_s}
                    found = yield _Ask(
                        partial(lag, self._clients, stream, groups, **asked),
                        partial(alag, self._clients, stream, groups, **asked),
                    )
                    self._found[topic] = (monotonic(), found)
                if not _full(found, limit):
                    if topic in self._full:
                        self._full.discard(topic)
                        logger.warning("Stream %r has room again", topic)
                    continue
                if limit.on_full == "trim":
                    kept: dict[str, Any] = {"events": limit.events, "age_ms": _age_ms(limit), "deadline_s": left_s}
                    removed = yield _Ask(
                        partial(trim_to, self._clients, stream, **kept),
                        partial(atrim_to, self._clients, stream, **kept),
                    )
                    self._trimmed(topic, removed)
                    continue
                errors[topic] = self._error(topic, found, limit)
                if topic not in self._full:
                    self._full.add(topic)
                    logger.warning("%s Until then: %s.", errors[topic], _MEANWHILE[limit.on_full])
            except Unavailable:
                raise  # the next one would wait as long
            except BusError as error:
                errors[topic] = error
        if not errors:
            return {}
        return {i: errors[message.topic] for i, message in enumerate(messages) if message.topic in errors}

    def _limited(self, messages: Sequence[Message]) -> list[tuple[str, Limit]]:
        """Return the limited streams among those of the messages."""
        found: dict[str, Limit] = {}
        if len(self._limits) > MOST_TOPICS:  # of patterns such as tenant:{tenant}:orders
            for known in (self._limits, self._found, self._full):
                known.clear()
        for message in messages:
            topic = message.topic
            if message.live is not None:
                continue
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

    def _error(self, topic: str, found: Lag, limit: Limit) -> StreamFull:
        allowed = f"{limit.events} events" if limit.events is not None else f"{limit.age_s:g} s"
        return StreamFull(
            f"Stream {topic!r} is full: its slowest group is {found.events} events, {found.age_ms / 1000:.0f} s "
            f"behind, and MAX_LAG is {allowed}. Start more consumers, or raise MAX_LAG.",
            spill=limit.on_full == "spill",
        )


class _Ask(NamedTuple):
    """A question to Redis, in both colours."""

    now: Callable[[], Any]
    later: Callable[[], Awaitable[Any]]


def _full(found: Lag, limit: Limit) -> bool:
    if limit.events is not None:
        return found.events >= limit.events
    return limit.age_s is not None and found.age_ms >= limit.age_s * 1000


def _age_ms(limit: Limit) -> int | None:
    return None if limit.age_s is None else int(limit.age_s * 1000)
