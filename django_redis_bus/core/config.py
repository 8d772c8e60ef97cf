"""REDIS_BUS as values: parsed strictly, every mistake collected with its place and its mend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .exceptions import ConfigurationError
from .patterns import Pattern
from .sections import (
    SCHEMES,
    Problem,
    Section,
    at_least,
    duration_s,
    flag,
    location,
    mapping,
    names,
    one_of,
    prefix,
    source,
    text,
)

__all__ = ["BusConfig", "Problem", "PublisherConfig", "Retention", "StreamConfig", "duration_s", "parse_buses"]


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
class StreamConfig:
    """One entry of STREAMS."""

    name: str
    retention: Retention | None = None
    """None if the entry does not say."""


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
    timeout_s: float = 1.0
    max_hops: int = 16
    middleware: tuple[str, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    publishers: Mapping[str, PublisherConfig] = field(default_factory=dict)
    streams: Mapping[str, StreamConfig] = field(default_factory=dict)
    channels: tuple[str, ...] = ()


_BUS_KEYS = {
    "LOCATION", "KEY_PREFIX", "SOURCE", "SERIALIZER", "COMPRESS_OVER", "MAX_EVENT_BYTES", "LEASE", "DRAIN", "TIMEOUT",
    "MAX_HOPS", "MIDDLEWARE", "OPTIONS", "PUBLISHERS", "STREAMS", "CHANNELS",
}  # fmt: skip


def parse_buses(raw: object) -> tuple[dict[str, BusConfig], list[Problem]]:
    """Parse the setting REDIS_BUS.

    Returns what could be understood, by alias, and every mistake found; with mistakes the values have defaults in
    their place.
    """
    problems: list[Problem] = []
    if not isinstance(raw, Mapping):
        problems.append(
            Problem(
                id="bus.E001",
                message="REDIS_BUS must be a mapping of alias to options.",
                hint='REDIS_BUS = {"default": {"LOCATION": "redis://127.0.0.1:6379/0"}}',
            )
        )
        return {}, problems
    if raw and raw.keys() <= _BUS_KEYS:
        problems.append(
            Problem(
                id="bus.E001",
                message="REDIS_BUS holds the options of a bus where its aliases belong.",
                hint=f'Put them under an alias: REDIS_BUS = {{"default": {{{next(iter(raw))!r}: …}}}}',
            )
        )
        return {}, problems
    if "default" not in raw:
        problems.append(
            Problem(
                id="bus.E002",
                message="REDIS_BUS has no alias 'default'.",
                hint='Name one of your buses "default", as in CACHES and DATABASES.',
            )
        )
    return {str(alias): _bus(str(alias), options, problems) for alias, options in raw.items()}, problems


def _bus(alias: str, raw: object, problems: list[Problem]) -> BusConfig:
    place = f"REDIS_BUS[{alias!r}]"
    s = Section(place, raw, problems)
    if "LOCATION" not in s.raw:
        s.wrong("has no LOCATION", f"Say where Redis is: {', '.join(SCHEMES)}…", id="bus.E005")
    seconds = 'a number of seconds or a text such as "30s"'
    config = BusConfig(
        alias=alias,
        location=s.get(
            "LOCATION", location, "a URL that starts with " + ", ".join(SCHEMES), "embedded://", secret=True
        ),
        key_prefix=s.get("KEY_PREFIX", prefix, "letters, digits and _ . - : without a final colon", ""),
        source=s.get("SOURCE", source, "a name for this project, such as 'shop'", "django"),
        serializer=s.get("SERIALIZER", one_of("json", "msgpack"), "'json' or 'msgpack'", "json"),
        compress_over=s.get("COMPRESS_OVER", at_least(0, whole=True), "a number of bytes, or None", None),
        max_event_bytes=s.get("MAX_EVENT_BYTES", at_least(1, whole=True), "a number of bytes, at least 1", 1_048_576),
        lease_s=s.get("LEASE", at_least(1), f"{seconds}, at least 1", 30.0),
        drain_s=s.get("DRAIN", at_least(0), seconds, 20.0),
        timeout_s=s.get("TIMEOUT", at_least(0.01), f"{seconds}, at least 0.01", 1.0),
        max_hops=s.get("MAX_HOPS", at_least(1, whole=True), "a whole number, at least 1", 16),
        middleware=s.get("MIDDLEWARE", names, "a list of dotted paths", None),
        options=s.get("OPTIONS", mapping, "a mapping of redis-py client options", {}, secret=True),
        publishers={
            name: _publisher(f"{place}['PUBLISHERS'][{name!r}]", name, entry, problems)
            for name, entry in s.get("PUBLISHERS", mapping, "a mapping of name to publisher", {}).items()
        },
        streams={
            name: _stream(f"{place}['STREAMS'][{name!r}]", name, entry, problems)
            for name, entry in s.get("STREAMS", mapping, "a mapping of name to options", {}).items()
            if _is_topic(place, name, problems)
        },
        channels=tuple(
            name
            for name in s.get("CHANNELS", mapping, "a mapping of name to options", {})
            if _is_topic(place, name, problems)
        ),
    )
    s.finish()
    return config


def _is_topic(place: str, name: str, problems: list[Problem]) -> bool:
    try:
        Pattern(name)
    except ConfigurationError as error:
        problems.append(
            Problem(id="bus.E006", message=f"{place}: {error}", hint="Example: 'events:order', 'chat:{room}'.")
        )
        return False
    return True


def _stream(place: str, name: str, raw: object, problems: list[Problem]) -> StreamConfig:
    s = Section(place, raw, problems)
    asked = s.get("RETENTION", lambda v: v, "", None)
    s.finish()
    if asked is None:
        return StreamConfig(name=name)
    kept = Section(f"{place}['RETENTION']", asked, problems)
    age_s = kept.get("age", at_least(0.001), 'a number of seconds or a text such as "7d"', None)
    by_default = Retention().count if kept.raw.get("age") is None else None
    wanted = "a number of entries, or None for no limit"
    count = kept.get("count", at_least(0, whole=True), wanted, by_default, optional=True)
    kept.finish()
    return StreamConfig(name=name, retention=Retention(count=count, age_s=age_s))


def _publisher(place: str, name: str, raw: object, problems: list[Problem]) -> PublisherConfig:
    s = Section(place, raw, problems)
    if "TOPIC" not in s.raw:
        s.wrong("has no TOPIC", 'Name the stream it publishes to: "TOPIC": "events:order".', id="bus.E007")
    dotted = "a dotted path"
    config = PublisherConfig(
        name=name,
        topic=s.get("TOPIC", text, "a stream's name", ""),
        model=s.get("MODEL", text, "an app_label.Model", None),
        signal=s.get("SIGNAL", text, f"{dotted} to a Signal", None),
        sender=s.get("SENDER", text, f"{dotted} or an app_label.Model", None),
        actions=s.get("ACTIONS", names, "a list of actions", ("created", "updated", "deleted")),
        fields=s.get("FIELDS", lambda v: v if v == "__all__" else names(v), "a list of field names or '__all__'", None),
        exclude=s.get("EXCLUDE", names, "a list of field names", ()),
        payload=s.get("PAYLOAD", text, f"{dotted} to a function", None),
        when=s.get("WHEN", text, f"{dotted} to a function", None),
        only_if_changed=s.get("ONLY_IF_CHANGED", names, "a list of field names", ()),
        key=s.get("KEY", text, "a field's name or a dotted attribute", None),
        type=s.get("TYPE", text, "an event type such as 'shop.order.{action}'", None),
        delivery=s.get("DELIVERY", text, "'on_commit' or 'immediate'", "on_commit"),
        raw=s.get("RAW", flag, "True or False", False),
        include_subclasses=s.get("INCLUDE_SUBCLASSES", flag, "True or False", True),
        during_migrate=s.get("DURING_MIGRATE", flag, "True or False", False),
        on_error=s.get("ON_ERROR", one_of("log", "raise"), "'log' or 'raise'", "log"),
    )
    s.finish()
    return config
