"""What one measured process is told, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

STREAM = "bench:order"
LEASE_MS = 30_000
LEAD_S = 0.3
"""How long the talking begins after the listening."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One process's share of a case.

    Attributes:
        side: the module that does the work, "floor" or "bus", or one that has both.
        work: its function.
        url: of the server.
        group: the consumer group.
        events: how many there are to handle or to publish.
        batch: most entries per read, or events per publish.
        threads: that run handlers.
        wait_s: what a handler waits, as for a query.
        per_second: how many to publish, where the rate is given.
        seconds: how long that takes.
        database: as in DATABASES; empty is one in memory.
        prefix: of the keys.
        atomic: whether each save stands in a transaction of its own.
        history: how many messages a channel keeps.
        port: of the web server.
        rooms, sockets: how many there are; each socket is in one room.
        slow: how many more sockets there are that never read.
        padding: characters that are added to the data of each message.
    """

    side: str
    work: str
    url: str
    group: str = ""
    events: int
    batch: int = 100
    threads: int = 0
    wait_s: float = 0.0
    per_second: int = 500
    seconds: int = 0
    database: dict[str, Any] = field(default_factory=dict)
    prefix: str = ""
    atomic: bool = False
    history: int = 0
    port: int = 0
    rooms: int = 1
    sockets: int = 0
    slow: int = 0
    padding: int = 0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What it did. Times are seconds on the machine's monotonic clock, the same in every process."""

    events: int
    started: float
    ended: float
    cpu_s: float
    delays_s: list[float] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What sockets heard: the delay of each message, when the last came, and the codes that some were closed with."""

    delays_s: list[float]
    ended: float
    closed: list[int]


def order(number: int) -> dict[str, object]:
    """Return the data of one event: about 200 bytes as JSON."""
    return {
        "id": number,
        "number": f"2026-{number:08d}",
        "customer": {"id": number % 997, "name": "Ada Lovelace", "email": "ada@example.org"},
        "total": "129.90",
        "currency": "EUR",
        "lines": [{"sku": "A-1001", "count": 2}, {"sku": "B-2002", "count": 1}],
    }
