"""A topic as a declaration: its name, what its data must be, and a concrete address under it."""

from __future__ import annotations

import copy
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, ClassVar, TypeAlias

from .config import ChannelConfig, Limit, Retention
from .events import Keeping
from .exceptions import ConfigurationError
from .parameters import Parameters
from .patterns import Pattern
from .payloads import Payloads
from .redaction import parse_path

Rule: TypeAlias = Callable[..., bool | Awaitable[bool]] | str | None
"""Who may: a function (user, **parameters) -> bool, a permission such as "chat.view_room", or None for nobody."""
WEEK_S = 604_800.0
MOST_KEPT = 1_000_000
"""Messages that a channel may keep: they are in Redis's memory."""


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

    what: ClassVar = "stream"

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
        self.redact = _paths("Stream", name, redact)
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

    def parse(self, name: str) -> dict[str, str] | None:
        """Return the parameters that `name` holds, None if it is no name of this topic."""
        return self.pattern.parse(name)


class ChannelTopic:
    """What is declared of a channel.

    Args:
        name: may hold placeholders.
        payload: see Payloads.
        parameters: the type of each placeholder; text where none is given.
        history: how many messages are kept; 0 for none.
        history_age_s: seconds after the last message until the history is forgotten.
        redact: paths in the data that must not be shown.
        version: current schema version.
        can_join, can_publish: which browsers may; None for none of them.
        presence: whether the relay tells who is there.
        bus: alias.
        declared_in: where it stands, for messages.
    """

    what: ClassVar = "channel"

    def __init__(
        self,
        name: str,
        *,
        payload: Any = None,
        parameters: Mapping[str, Any] | None = None,
        history: int = 0,
        history_age_s: float = WEEK_S,
        redact: Iterable[str] = (),
        version: int = 1,
        can_join: Any = None,
        can_publish: Any = None,
        presence: bool = False,
        bus: str = "default",
        declared_in: str = "",
    ) -> None:
        self.name = name
        self.pattern = Pattern(name)
        self.parameters = Parameters(self.pattern, parameters or {})
        self.payloads = Payloads(name, payload, version, what="Channel")
        if not _is_number(history, int) or not 0 <= history <= MOST_KEPT:
            raise ConfigurationError(f"Channel {name!r}: history is a number of messages, 0 to {MOST_KEPT:,}.")
        if not _is_number(history_age_s, int, float) or not 1 <= history_age_s < inf:
            raise ConfigurationError(f"Channel {name!r}: history_age_s is a number of seconds, at least 1.")
        self.keeping = _keeping(history, history_age_s)
        self.redact = _paths("Channel", name, redact)
        self.can_join = _rule(name, "can_join", can_join)
        self.can_publish = _rule(name, "can_publish", can_publish)
        self.presence = bool(presence)
        self.bus_alias = bus
        self.declared_in = declared_in
        self._only = Address(self, name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def address(self, parameters: Mapping[str, object] | None = None) -> Address:
        """Return the concrete channel for these parameters. Raises PayloadError if they do not fit."""
        if not parameters and not self.pattern.parameters:
            return self._only
        return Address(self, self.parameters.format(parameters or {}))

    def parse(self, name: str) -> dict[str, Any] | None:
        """Return the parameters that `name` holds, as their types: parse("chat:lobby") is {"room": "lobby"}.

        None if it is no name of this topic, or a value does not fit its type, or is not written as `address` would
        write it ("order:007" for an int).
        """
        return self.parameters.parse(name)

    def under(self, config: ChannelConfig | None) -> ChannelTopic:
        """Return this channel as the settings would have it: what they say goes before what the code says."""
        if config is None:
            return self
        found = copy.copy(self)
        history, age_ms = self.keeping
        found.keeping = _keeping(
            history if config.history is None else config.history,
            age_ms / 1000 if config.history_age_s is None else config.history_age_s,
        )
        if config.can_join is not None:
            found.can_join = config.can_join
        if config.can_publish is not None:
            found.can_publish = config.can_publish
        if config.presence is not None:
            found.presence = config.presence
        if config.redact:
            found.redact = config.redact
        return found


@dataclass(frozen=True)
class Address:
    """A concrete stream or channel: its declaration and its name without placeholders."""

    topic: StreamTopic | ChannelTopic
    name: str

    def __str__(self) -> str:
        return f"{self.topic.what.capitalize()} {self.name!r}"


def caller() -> str:
    """Return where in the project the caller of a constructor stands, for messages."""
    frame = sys._getframe(2)
    return f"{frame.f_globals.get('__name__', '?')} line {frame.f_lineno}"


def _keeping(history: int, age_s: float) -> Keeping:
    return Keeping(history, int(age_s * 1000))


def _is_number(value: object, *kinds: type) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _rule(name: str, argument: str, rule: Any) -> Any:
    if rule is None or callable(rule) or (isinstance(rule, str) and "." in rule.strip(".")):
        return rule
    raise ConfigurationError(
        f"Channel {name!r}: {argument} is a function (user, **parameters) -> bool, or a permission such as "
        f"'chat.view_room', not {rule!r:.50}."
    )


def _paths(what: str, name: str, redact: Any) -> tuple[str, ...]:
    if isinstance(redact, str):
        raise ConfigurationError(f"{what} {name!r}: redact is a list of paths; write redact=[{redact!r}].")
    paths = tuple(redact)
    try:
        for path in paths:
            parse_path(path)
    except ConfigurationError as error:
        raise ConfigurationError(f"{what} {name!r}: redact: {error}") from None
    return paths
