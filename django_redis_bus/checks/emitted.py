"""What PUBLISHERS send: to which stream, and of which event types."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from django.apps import apps
from django.db.models import Model

from django_redis_bus import registry
from django_redis_bus.core.config import BusConfig, PublisherConfig
from django_redis_bus.core.exceptions import ConfigurationError
from django_redis_bus.core.patterns import Pattern
from django_redis_bus.core.topics import ChannelTopic, StreamTopic
from django_redis_bus.publishers import models, signals

_CLOSE = 0.8
_BETWEEN_WORDS = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitted:
    """The event types that the publishers of one stream send."""

    types: set[str] = field(default_factory=set)
    patterns: list[Pattern] = field(default_factory=list)
    """Types that only an event makes whole: "shop.order.{status}"."""

    def has(self, event_type: str) -> bool:
        """Return whether some publisher sends this type, or might."""
        return event_type in self.types or any(p.parse(event_type) is not None for p in self.patterns)


def of_bus(bus: BusConfig) -> dict[str, Emitted]:
    """Return what each stream gets, by the stream's name. Leaves out publishers that other checks complain about."""
    found: dict[str, Emitted] = {}
    for config in bus.publishers.values():
        try:
            stream = topic_of(bus.alias, config.topic)
            patterns = _types(bus, config)
        except (ConfigurationError, LookupError, ValueError):
            continue
        if not isinstance(stream, StreamTopic):
            continue
        emitted = found.setdefault(stream.name, Emitted())
        emitted.types.update(p.text for p in patterns if not p.parameters)
        emitted.patterns.extend(p for p in patterns if p.parameters)
    return found


def topic_of(alias: str, topic: str) -> StreamTopic | ChannelTopic | None:
    """Return the declared stream or channel that a TOPIC leads to. Raises ConfigurationError if it is no topic name."""
    pattern = Pattern(topic)
    # What a placeholder becomes: any one segment. A declared pattern may call it otherwise.
    example = pattern.format(dict.fromkeys(pattern.parameters, "x"))
    for find in (registry.find_stream, registry.find_channel):
        found = find(alias, topic) or find(alias, example)
        if found is not None:
            return found
    return None


def model_types(model: type[Model], config: PublisherConfig) -> dict[str, Pattern]:
    """Return the event type by action. Raises ConfigurationError if TYPE is no name."""
    text = models.type_text(model, config)
    return {action: Pattern(text.replace("{action}", action)) for action in config.actions}


def _types(bus: BusConfig, config: PublisherConfig) -> list[Pattern]:
    if config.model is None:
        return [Pattern(signals.type_text(bus.source, config))]
    return list(model_types(apps.get_model(config.model), config).values())


def near_miss(name: str, known: Iterable[str]) -> str | None:
    """Return the known event type that `name` is a misspelling of, if there is one.

    Types share long beginnings: "shop.order.paid" and "shop.order.placed" are as a whole nearly the same. So
    they are also compared word by word.
    """
    for candidate in get_close_matches(name, sorted(known), n=10, cutoff=_CLOSE):
        ours, theirs = (_BETWEEN_WORDS.split(text.lower()) for text in (name, candidate))
        if len(ours) == len(theirs) and all(
            get_close_matches(one, [two], cutoff=_CLOSE) for one, two in zip(ours, theirs, strict=True)
        ):
            return candidate
    return None
