"""Questions to the Redis of one bus, all within one deadline."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any

from ..bus import Bus
from ..core.exceptions import BusError, ConfigurationError, Unavailable
from ..core.keys import GroupKeys, stream_key
from ..transport import commands
from ..transport.clients import check_url
from ..transport.scripts import script

PAGE_S = 1.5
"""How long a page waits for Redis, over all that it asks."""
ACT_S = 5.0
"""How long an act may take."""


class Asking:
    """One visit to a bus. It goes past the circuit breaker: who looks at a bus in trouble wants to see it.

    Args:
        bus: to ask.
        within_s: for everything that is asked; then each question raises Unavailable at once.

    Raises ConfigurationError for a LOCATION that is no URL: the system checks are not run by every server.
    """

    def __init__(self, bus: Bus, within_s: float = PAGE_S) -> None:
        try:
            check_url(bus.config.location)
        except ValueError:
            raise ConfigurationError(
                f"REDIS_BUS[{bus.alias!r}]['LOCATION'] cannot be read as a URL, such as redis://127.0.0.1:6379/0."
            ) from None  # whose text may hold a password
        self.bus = bus
        self.config = bus.config
        self._until = monotonic() + within_s
        self._within_s = within_s
        self._now_ms: int | None = None

    @property
    def left_s(self) -> float:
        """How long may still be waited. Raises Unavailable if it is over."""
        left = self._until - monotonic()
        if left <= 0:
            raise Unavailable(f"{self.bus.clients.where} took longer than {self._within_s:g} s", perhaps_sent=True)
        return max(round(left, 3), 0.001)  # messages tell it

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return monotonic() >= self._until

    def call(self, *command: Any) -> Any:
        """Send one command and return its raw reply. Raises BusError."""
        return commands.call(self.bus.clients, *command, deadline_s=self.left_s)

    def many(self, asked: Sequence[Sequence[Any]]) -> list[Any]:
        """Send commands in one round trip; return their raw replies, a BusError in the place of a refused one.

        Raises BusError if Redis cannot be asked.
        """
        return commands.call_many(self.bus.clients, asked, deadline_s=self.left_s) if asked else []

    def run(self, name: str, keys: Sequence[str], *args: Any) -> Any:
        """Run the script lua/<name>.lua and return its raw reply. Raises BusError."""
        return commands.run(self.bus.clients, script(name), keys, *args, deadline_s=self.left_s)

    def run_many(self, name: str, asked: Sequence[tuple[Sequence[str], Sequence[Any]]]) -> list[Any]:
        """Run a script once per pair of keys and arguments, all in one round trip. Returns and raises as `many`."""
        return commands.run_many(self.bus.clients, script(name), asked, deadline_s=self.left_s) if asked else []

    def now_ms(self) -> int:
        """Return Redis's clock, asked once per visit: ids and moments in Redis are its own."""
        if self._now_ms is None:
            seconds, micros = self.call("TIME")
            self._now_ms = int(seconds) * 1000 + int(micros) // 1000
        return self._now_ms

    def key(self, topic: str) -> str:
        """Return the key of a stream, or the name of a channel, in Redis."""
        return stream_key(self.config.key_prefix, topic)

    def keys(self, topic: str, group: str = "") -> GroupKeys:
        """Return the keys of a stream's group; without one, those that its groups share."""
        return GroupKeys(stream=self.key(topic), group=group)


def value(reply: Any) -> Any:
    """Return a reply of `many`. Raises the BusError that it is."""
    if isinstance(reply, BusError):
        raise reply
    return reply
