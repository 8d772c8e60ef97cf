"""REDIS_BUS as values; `core.parsing` makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from .exceptions import ConfigurationError

Delivery: TypeAlias = Literal["outbox", "on_commit", "immediate"]
"""When an event leaves: as a row written with the change, when the transaction has committed, or at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What a stream keeps once every live group has handled it. Nothing a live group still needs is ever removed.

    Attributes:
        count: keep this many newest entries; None is no limit by number.
        age_s: remove entries older than this many seconds; None is no limit by age.
    """

    count: int | None = 100_000
    age_s: float | None = None

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 0:
            raise ConfigurationError("Retention(count=…) must not be negative.")
        if self.age_s is not None and self.age_s <= 0:
            raise ConfigurationError("Retention(age_s=…) must be more than 0 seconds.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How far the slowest live group may be behind before publishers are held back.

    Attributes:
        events: most events unread or pending; None is no limit by number.
        age_s: oldest such event, in seconds; None is no limit by age.
        on_full: "raise" StreamFull, "spill" to the outbox, or "trim" the oldest events away.
    """

    events: int | None = None
    age_s: float | None = None
    on_full: Literal["raise", "spill", "trim"] = "raise"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConfig:
    """One entry of STREAMS."""

    name: str
    retention: Retention | None = None
    """None if the entry does not say."""
    limit: Limit | None = None
    redact: tuple[str, ...] = ()
    """Paths in the data that no log, error text or page may show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConfig:
    """One entry of CHANNELS; None where it does not say."""

    name: str
    history: int | None = None
    history_age_s: float | None = None
    can_join: str | None = None
    """A permission ("chat.view_room") or the dotted path of a function (two dots or more)."""
    can_publish: str | None = None
    presence: bool | None = None
    redact: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayConfig:
    """RELAY: what browsers may do, and how much of it."""

    queue: int = 256
    """Messages that wait for one slow browser; then its socket is closed, and resumes."""
    message_bytes: int = 16_384
    """The longest frame that a browser may send."""
    rate: float = 10.0
    """Frames per second that a browser may send on the long run."""
    burst: int = 30
    """Frames that it may send at once."""
    rooms: int = 50
    """Topics that one socket may be in."""
    recheck_s: float = 30.0
    """How often it is asked again whether a browser may stay."""
    presence_s: float = 30.0
    """How long a member is shown after the last sign of life of its process."""
    keepalive_s: float = 15.0
    """How often a silent connection is proved to be alive."""
    spread_s: float = 10.0
    """Over how long browsers spread their return when a server goes."""
    history: int = 1_000
    """Messages that are given at most when a browser joins or resumes."""
    push: tuple[str, ...] = ()
    """Channels that each browser joins without asking: "notifications", "user:{user.pk}"."""
    origins: tuple[str, ...] | None = None
    """Origins of the pages that may connect; None for the hosts in ALLOWED_HOSTS."""
    identity: str | None = None
    """Dotted path of the function that says who a user is to the other browsers; None for id and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherConfig:
    """One entry of PUBLISHERS."""

    name: str
    topic: str
    model: str | None = None
    signal: str | None = None
    sender: str | None = None
    actions: tuple[str, ...] = ("created", "updated", "deleted")
    fields: tuple[str, ...] | Literal["__all__"] | None = None
    exclude: tuple[str, ...] = ()
    payload: str | None = None
    when: str | None = None
    only_if_changed: tuple[str, ...] = ()
    key: str | None = None
    type: str | None = None
    delivery: str = "on_commit"
    raw: bool = False
    include_subclasses: bool = True
    during_migrate: bool = False
    on_error: str = "log"
    changes: bool = False
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitConfig:
    """CIRCUIT: when publishing stops to wait for a Redis that does not answer."""

    failures: int = 3
    """So many in a row open it."""
    cooldown_s: float = 1.0
    """So long it stays open before the first probe; twice as long after each that fails, up to 30 times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxConfig:
    """OUTBOX."""

    fast_path: bool = True
    """Whether the process that wrote a row tries to publish it right after the commit."""
    retention_s: float = 86_400.0
    """How long rows are kept after they were sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusConfig:
    """One alias of REDIS_BUS."""

    alias: str
    location: str = field(repr=False)  # may hold a password, as the options may
    key_prefix: str = ""
    source: str = "django"
    serializer: str = "json"
    compress_over: int | None = None
    max_event_bytes: int = 1_048_576
    lease_s: float = 30.0
    drain_s: float = 20.0
    deadline_s: float = 0.25
    on_failure: Literal["spill", "raise", "drop"] | None = None
    """None: "spill" where the outbox has its table, else "raise"."""
    deduplicate_s: float | None = 120.0
    circuit: CircuitConfig = CircuitConfig()
    outbox: OutboxConfig = OutboxConfig()
    inbox_retention_s: float = 604_800.0
    max_hops: int = 16
    middleware: tuple[str, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    publishers: Mapping[str, PublisherConfig] = field(default_factory=dict)
    streams: Mapping[str, StreamConfig] = field(default_factory=dict)
    channels: Mapping[str, ChannelConfig] = field(default_factory=dict)
    relay: RelayConfig = RelayConfig()
