"""A topic as a declaration: its name, what its data must be, and a concrete address under it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .config import Limit, Retention
from .exceptions import ConfigurationError
from .patterns import Pattern
from .payloads import Payloads
from .redaction import parse_path


class StreamTopic:
    """What is declared of a stream.

    Args:
        name: may hold placeholders.
        payload: see Payloads.
        retention, limit: None if the declaration does not say.
        redact: paths in the data that must not be shown.
        version: current schema version.
        bus: alias.
        declared_in: where it stands, for messages.
    """

    def __init__(
        self,
        name: str,
        *,
        payload: Any = None,
        retention: Retention | None = None,
        limit: Limit | None = None,
        redact: Iterable[str] = (),
        version: int = 1,
        bus: str = "default",
        declared_in: str = "",
    ) -> None:
        self.name = name
        self.pattern = Pattern(name)
        self.payloads = Payloads(name, payload, version)
        self.retention = retention
        self.limit = limit
        self.redact = _paths(name, redact)
        self.bus_alias = bus
        self.declared_in = declared_in
        self._only = Address(self, name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def address(self, parameters: Mapping[str, object] | None = None) -> Address:
        """Return the concrete stream for these parameters. Raises PayloadError if they do not fit."""
        if not parameters and not self.pattern.parameters:
            return self._only
        return Address(self, self.pattern.format(parameters or {}))


@dataclass(frozen=True)
class Address:
    """A concrete stream: its declaration and its name without placeholders."""

    stream: StreamTopic
    name: str


class ChannelTopic:
    """What is declared of a channel. Arguments as for StreamTopic."""

    def __init__(self, name: str, *, payload: Any = None, bus: str = "default", declared_in: str = "") -> None:
        self.name = name
        self.pattern = Pattern(name)
        self.payloads = Payloads(name, payload, 1)
        self.bus_alias = bus
        self.declared_in = declared_in

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def _paths(name: str, redact: Any) -> tuple[str, ...]:
    if isinstance(redact, str):
        raise ConfigurationError(f"Stream {name!r}: redact is a list of paths; write redact=[{redact!r}].")
    paths = tuple(redact)
    try:
        for path in paths:
            parse_path(path)
    except ConfigurationError as error:
        raise ConfigurationError(f"Stream {name!r}: redact: {error}") from None
    return paths
