"""A bus at a glance: its server, its streams in sum, what is wrong with them, and how much flows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .asking import Asking
from .health import Finding, worst_first
from .outbox_facts import outbox_facts
from .rates import Minute, minutes
from .server import Server, server
from .server_health import of_circuit, of_outbox, of_server
from .stream_health import of_stream
from .streams import StreamReport, streams
from .values import Page

__all__ = ["Overview", "Server", "overview", "server", "stream_findings"]


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
    about = server(asking)
    page = streams(asking)
    circuit = asking.bus.circuit.state
    return Overview(
        alias=asking.bus.alias,
        server=about,
        streams=page,
        findings=worst_first(_findings(asking, about, page, circuit)),
        minutes=minutes(asking, [report.topic for report in page.items if report.exists]),
        circuit=circuit,
    )


def stream_findings(asking: Asking, reports: Iterable[StreamReport]) -> tuple[Finding, ...]:
    """Return what is wrong with streams. Raises BusError."""
    return worst_first(_of_streams(asking, reports))


def _findings(asking: Asking, about: Server, page: Page[StreamReport], circuit: str) -> Iterator[Finding]:
    yield from of_circuit(circuit)
    yield from of_server(about)
    facts = outbox_facts(asking.bus.alias)
    if facts is not None:
        yield from of_outbox(facts)
    yield from _of_streams(asking, page.items)


def _of_streams(asking: Asking, reports: Iterable[StreamReport]) -> Iterator[Finding]:
    for report in reports:
        yield from of_stream(report, key=asking.key(report.topic), now_ms=asking.now_ms())
