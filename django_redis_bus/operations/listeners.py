"""The processes that listen, as they say themselves."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.exceptions import PublishError
from ..core.keys import listeners_key
from ..transport.group import ALIVE_MS
from .asking import Asking
from .records import records

MOST = 500
"""So many records are read."""
FORGOTTEN_MS = 3_600_000
"""Older ones are of processes that have been killed long ago."""
TOPICS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerReport:
    """A process that listens, as its last heartbeat says.

    Attributes:
        name: host and pid.
        what: "listen_pattern" or "relay".
        is_alive: that is younger than ten seconds.
        beat_s: how old it is.
        topics: names and patterns, the first of them.
        delivered, dropped, gaps: since it began.
        sockets: browsers that a relay serves.
    """

    name: str
    what: str
    is_alive: bool
    beat_s: float
    topics: tuple[str, ...]
    delivered: int = 0
    dropped: int = 0
    gaps: int = 0
    sockets: int = 0


def listeners(asking: Asking) -> tuple[ListenerReport, ...]:
    """Return those of the last hour, the living first. Raises BusError if Redis cannot be asked."""
    key, now_ms, found = listeners_key(asking.config.key_prefix), asking.now_ms(), []
    try:
        if asking.call("HLEN", key) <= MOST:
            flat = asking.call("HGETALL", key)
        else:
            flat = asking.call("HSCAN", key, 0, "COUNT", MOST)[1]
    except PublishError:  # not permitted, or no hash
        return ()
    for name, record in records(flat).items():
        beat_ms = record.number("beat")
        if beat_ms is None or now_ms - beat_ms > FORGOTTEN_MS:
            continue
        found.append(
            ListenerReport(
                name=name,
                what=record.text("what"),
                is_alive=now_ms - beat_ms < ALIVE_MS,
                beat_s=max(0.0, (now_ms - beat_ms) / 1000),
                topics=record.texts("topics", TOPICS),
                delivered=record.whole("delivered") or 0,
                dropped=record.whole("dropped") or 0,
                gaps=record.whole("gaps") or 0,
                sockets=record.whole("sockets") or 0,
            )
        )
    return tuple(sorted(found, key=lambda report: (not report.is_alive, report.name)))
