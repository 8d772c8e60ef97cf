"""A bus at a glance: its server, its streams in sum, what is wrong with them, and how much flows."""

from __future__ import annotations

from dataclasses import dataclass

from .asking import Asking
from .health import Finding
from .rates import Minute
from .streams import StreamReport
from .values import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What a server says of itself. None or "" where it does not.

    Attributes:
        kind: "Redis" or "Valkey".
        where: its address, without user and password.
        policy: maxmemory-policy.
        aof: whether there is an append-only file; snapshots: whether it saves them.
        behind_s: since the last snapshot.
        answers_ms: how long it took to answer.
    """

    kind: str
    version: str
    where: str
    role: str = ""
    uptime_s: int | None = None
    memory_bytes: int | None = None
    most_bytes: int | None = None
    policy: str = ""
    aof: bool | None = None
    snapshots: bool | None = None
    connections: int | None = None
    blocked: int | None = None
    operations_per_s: int | None = None
    replicas: int | None = None
    answers_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A bus at a glance.

    Attributes:
        streams: the first page of them.
        minutes: the last sixty, oldest first, all streams of that page together.
        circuit: state of the circuit breaker of this process: "closed", "open" or "half-open".
    """

    alias: str
    server: Server
    streams: Page[StreamReport]
    findings: tuple[Finding, ...]
    minutes: tuple[Minute, ...]
    circuit: str


def overview(asking: Asking) -> Overview:
    """Return the bus at a glance. Raises BusError if Redis cannot be asked."""
    raise NotImplementedError


def server(asking: Asking) -> Server:
    """Return what the server says of itself. Raises BusError."""
    raise NotImplementedError
