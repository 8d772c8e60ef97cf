"""How one loop runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.config import Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopOptions:
    """How one loop runs.

    Attributes:
        stream, group: for messages.
        start: id after which a new group begins.
        lease_s: seconds a delivery may be silent before another consumer takes it.
        retention: what to keep of the stream.
        burst: end when nothing is left to do now.
        max_events: end after so many outcomes; None is no limit.
    """

    stream: str
    group: str
    start: str = "0"
    lease_s: float = 30.0
    retention: Retention = field(default_factory=Retention)
    burst: bool = False
    max_events: int | None = None

    @property
    def name(self) -> str:
        return f"{self.stream} {self.group}"
