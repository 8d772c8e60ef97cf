"""What a room and its neighbours say to each other: its members (sockets, event streams), and the channel behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from .timeline import Kept, Position


class Item(msgspec.Struct, kw_only=True):
    """Something for every member of a room. It is made once, whatever their number; none of them changes it."""

    topic: str
    kind: Literal["event", "gap", "interrupted"] = "event"
    """An interruption was healed from the history: only what is not kept may have been missed."""
    event: str | None
    """The event as JSON text, None for what is no event."""
    position: Position | None
    """Where it stands in the history, None for what is not kept. Of a gap: where the history goes on."""
    missed: int | None = None
    """Of a gap: how many messages nobody can bring back, None if that is unknown."""
    frame: dict[str, Any]
    """The frame of the WebSocket protocol, as the message that an ASGI server sends."""
    sse: bytes | None = None
    """The same for server-sent events, put here by the first member that needs it; b"" if they leave it out."""


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """How a member came into a room."""

    position: Position | None
    """The newest message that it has been given or that came before it; None if the channel has no history as yet."""
    recovered: bool | None
    """Whether `messages` are all that came after the place it asked for; None if it asked for none."""
    messages: list[Kept]
    """What it was given to begin with; everything after that is pushed."""


class Member(Protocol):
    """Somebody in rooms. It is told in the event loop, in the order of each topic, and must return at once."""

    def push(self, item: Item) -> None:
        """Take an item; never waits, never raises."""
        ...


class Resumed(NamedTuple):
    """What the history answered."""

    position: Position | None
    """Of the newest message; None without a history."""
    recovered: bool | None
    """Whether `messages` are all that follow the place asked for; None if none was."""
    messages: list[Kept]


class Source(Protocol):
    """One channel on Redis."""

    topic: str
    history: int
    """How many messages are kept, 0 for none."""
    history_age_s: float

    async def attach(self, on_message: Callable[[bytes], None], on_gap: Callable[[], None]) -> None:
        """Subscribe, and return when Redis has confirmed it. Raises BusError."""
        ...

    async def close(self) -> None:
        """Unsubscribe."""
        ...

    async def resume(self, position: Position | None, limit: int, *, patient: bool = False) -> Resumed:
        """Return what follows `position`; without one, or if that cannot be had, the newest. Raises BusError.

        Args:
            limit: most messages; if more follow, nothing is recovered.
            patient: it may take longer than a browser would wait.
        """
        ...

    async def rotate(self, epoch: str) -> None:
        """Begin a new epoch, unless that has been done. Raises BusError."""
        ...

    def read(self, raw: bytes) -> tuple[Position | None, str]:
        """Return where a message stands in the history, if it does, and its JSON."""
        ...
