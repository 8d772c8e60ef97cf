"""The values that travel: Event, Message, Published.

They are msgspec Structs rather than dataclasses: the same frozen, keyword-only values, built in C.
A frozen dataclass of this size costs 2 µs to build, a fifth of the whole budget of one delivery.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import msgspec

T = TypeVar("T")


class Event(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """An immutable fact: the CloudEvents 1.0 attributes, the data, and where it was read.

    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
    """

    id: str
    """Unique within `source`. Consumers that must not act twice remember it."""
    source: str
    """Who published it: SOURCE of the publishing bus, or "" for a foreign entry."""
    type: str
    """What happened: "shop.order.created". "" for a foreign entry without a field `type`."""
    data: T
    """The payload, as the stream's payload type if it has one, else as plain JSON values."""
    topic: str = ""
    """The stream or channel it came over, without the key prefix: "events:order"."""
    time_text: str | None = None
    """When it happened, RFC 3339, as it stands on the wire."""
    subject: str | None = None
    """What it is about, usually a primary key."""
    key: str | None = None
    """Ordering key (CloudEvents `partitionkey`)."""
    version: int = 1
    """Schema version of the data after upcasting."""
    traceparent: str | None = None
    """W3C trace context."""
    correlation_id: str | None = None
    """Id of the first event of the chain that led here."""
    causation_id: str | None = None
    """Id of the event whose handler published this one."""
    hops: int = 0
    """How many events stand between the first of the chain and this one."""
    extensions: dict[str, str] = {}
    """Other CloudEvents attributes, without the `ce_`."""
    foreign: bool = False
    """True if no bus wrote it: an XADD by hand, another program's fields."""
    entry_id: str | None = None
    """Id of the stream entry: "1700000000000-0"."""
    attempt: int = 1
    """Number of this run in its consumer group, from 1. A run that ended with its process may not be counted."""
    offset: str | None = None
    """Its place in the history of its channel: "42-1839274"; the number before the dash counts by one. None if the
    channel keeps none, or not this message."""
    epoch: str | None = None
    """Which history that is: offsets of two epochs have nothing to do with each other."""
    ephemeral: bool = False
    """True if its publisher wanted it forgotten at once: somebody is typing."""

    def __repr__(self) -> str:
        return f"Event({', '.join(f'{name}={value!r}' for name, value in self._shown())}, data={self._kind()})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [*self._shown(), ("data", self._kind())]

    def _shown(self) -> list[tuple[str, Any]]:
        """What a log line may have of an event: all that says which it is, and not the data."""
        names = ("id", "source", "type", "topic", "subject", "key", "time_text", "entry_id", "offset", "attempt")
        return [(name, value) for name in names if (value := getattr(self, name)) is not None]

    def _kind(self) -> str:
        return f"<{type(self.data).__name__}>"

    @property
    def time(self) -> datetime | None:
        """When it happened, aware; None if the entry does not say or says it unreadably."""
        if self.time_text is None:
            return None
        try:
            time = msgspec.convert(self.time_text, datetime)
        except msgspec.ValidationError:
            return None
        return time if time.tzinfo is not None else None


class Keeping(NamedTuple):
    """What a channel keeps of its messages."""

    history: int
    """The newest so many; 0 for none."""
    age_ms: int
    """So long after the last one."""


LIVE_ONLY = Keeping(0, 0)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """An event encoded and validated, ready to be sent: made at one moment, sent at another."""

    topic: str
    """Concrete name of the stream or channel, without the key prefix."""
    event_id: str
    type: str
    fields: list[bytes | str]
    """Alternating field and value, as XADD takes them. For a channel: one item, the JSON."""
    key: str | None = None
    """Ordering key."""
    once: bool = False
    """Its id was given by the caller: it is added only if the stream has not had it within DEDUPLICATE."""
    token: str = ""
    """The batch of an earlier attempt that may have added it already; "" if there was none."""
    live: Keeping | None = None
    """For a channel, and what that keeps of this message; None for a stream."""

    def __repr__(self) -> str:
        # Without the fields: they hold the data.
        return f"Message(topic={self.topic!r}, event_id={self.event_id!r}, type={self.type!r}, key={self.key!r})"


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one published event."""

    topic: str
    event_id: str
    entry_id: str | None = None
    """Id that Redis gave the entry: "1700000000000-0". None while it has none that is known."""
    state: Literal["added", "known", "sent", "on_commit", "outbox", "dropped", "muted"] = "added"
    """What was done: "added" to the stream; "known", an event of this id was there already; "sent" over the channel;
    "on_commit", it waits for the commit; written to the "outbox", to leave later; "dropped", as ON_FAILURE says;
    "muted", nothing, as inside `Bus.muted`."""
    receivers: int | None = None
    """For a channel: how many connections heard it, each once per subscription that matches. A process is one of them,
    whatever the number of its listeners and sockets."""
    offset: str | None = None
    """Its place in the history of its channel: "42-1839274"; None if it is not kept."""
    epoch: str | None = None
    """Which history that is."""
