"""Which names and patterns are meant by what a caller wants to listen to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from . import registry
from .core.exceptions import ConfigurationError
from .core.globs import is_glob
from .core.topics import Address, ChannelTopic, StreamTopic

Heard: TypeAlias = ChannelTopic | Address | str
"""What can be listened to: a Channel, one with its parameters, or a name."""


@dataclass(slots=True)
class Targets:
    """Names and patterns.

    Attributes:
        accepts: pattern -> whether a topic that matches it is meant: "chat:*" also matches "chat:a:b", which is no
            "chat:{room}".
    """

    names: list[str] = field(default_factory=list)
    patterns: list[str] = field(default_factory=list)
    accepts: dict[str, Callable[[str], bool]] = field(default_factory=dict)

    def add_name(self, name: str) -> None:
        self.names.append(name)

    def add_pattern(self, pattern: object) -> None:
        if not isinstance(pattern, str) or not pattern:
            raise ConfigurationError(f"{pattern!r:.100} is no pattern: give a text such as 'chat:*'.")
        self.patterns.append(pattern)
        self.accepts.pop(pattern, None)

    def add_channel(self, channel: ChannelTopic) -> None:
        """Every name of a declared channel."""
        if not channel.pattern.parameters:
            self.add_name(channel.name)
            return
        glob = channel.pattern.glob
        known = self.accepts.get(glob)
        if glob in self.patterns and known is None:
            return  # every name of the pattern is wanted already
        self.patterns.append(glob)
        self.accepts[glob] = _either(known, lambda topic: channel.parse(topic) is not None)


def _either(one: Callable[[str], bool] | None, two: Callable[[str], bool]) -> Callable[[str], bool]:
    return two if one is None else lambda topic: one(topic) or two(topic)


def targets_of(alias: str, heard: Iterable[Heard], *, globs: bool) -> Targets:
    """Return what is meant.

    Args:
        alias: of the bus.
        heard: Channels, bound ones, and texts.
        globs: whether a text with a special character is a pattern; else such a text is refused.

    Raises ConfigurationError for streams, channels of another bus, and texts that are neither name nor pattern.
    """
    found = Targets()
    for one in heard:
        topic = one.topic if isinstance(one, Address) else one
        if isinstance(topic, StreamTopic):
            raise ConfigurationError(
                f"{topic!r} is a stream. Listeners hear channels; a stream has handlers: @….handler(group=…)."
            )
        if isinstance(topic, ChannelTopic) and topic.bus_alias != alias:
            raise ConfigurationError(
                f"{topic!r} belongs to bus {topic.bus_alias!r}: listen with buses[{topic.bus_alias!r}]."
            )
        if isinstance(one, Address):
            found.add_name(one.name)
        elif isinstance(one, ChannelTopic):
            found.add_channel(one)
        else:
            _add_text(found, one, alias, globs)
    if not found.names and not found.patterns:
        raise ConfigurationError("Name at least one topic or pattern to listen to.")
    return found


def _add_text(found: Targets, text: object, alias: str, globs: bool) -> None:
    if not isinstance(text, str) or not text:
        raise ConfigurationError(f"{text!r:.100} is no topic: give a Channel or a name.")
    declared = registry.find_channel(alias, text)
    if declared is not None and declared.name == text:
        found.add_channel(declared)
    elif not is_glob(text):
        found.add_name(text)
    elif globs:
        found.add_pattern(text)
    else:
        raise ConfigurationError(f"{text!r:.100} is a pattern and no name: use psubscribe for patterns.")
