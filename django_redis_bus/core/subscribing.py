"""What listening needs of a transport; `runtime` runs against it and `transport` fulfils it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol


class Key(NamedTuple):
    """What one subscription is to: a channel, or every channel of a pattern, as Redis knows it."""

    name: bytes
    is_pattern: bool = False


class Subscriber(Protocol):
    """One connection that hears what is published. Used in one event loop; of no use once it is closed or lost.

    A sharded one, which has no patterns and asks the node of each name, would be another class behind this.
    """

    async def open(self) -> None:
        """Connect. Raises Unavailable, or AccessRefused for a wrong password."""

    def subscribe(self, keys: Iterable[Key]) -> None:
        """Write one command per key, each of which is owed one reply, in order."""

    def unsubscribe(self, keys: Iterable[Key]) -> None:
        """As `subscribe`."""

    async def read(self) -> list[Any]:
        """Wait for the next replies, and return all that have come.

        Each is a message `[b"message", channel, data]`, `[b"pmessage", pattern, channel, data]`, a confirmation
        `[b"subscribe", name, count]` (or `psubscribe`, `unsubscribe`, `punsubscribe`) with the number of subscriptions
        the server now knows of this connection, or a BusError: the refusal of one command.

        Raises Unavailable when the connection is lost.
        """

    def cut(self) -> None:
        """Close the connection at once; a `read` that waits raises Unavailable."""

    async def close(self) -> None:
        """Close the connection and wait until that is done."""
