"""From the setting REDIS_BUS to values: parsed strictly, every mistake collected with its place and its mend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .config import (
    BusConfig,
    CircuitConfig,
    Limit,
    OutboxConfig,
    PublisherConfig,
    Retention,
    StreamConfig,
)
from .exceptions import ConfigurationError
from .live_parsing import channel, relay
from .patterns import Pattern
from .sections import (
    SCHEMES,
    Problem,
    Section,
    at_least,
    flag,
    lag,
    location,
    mapping,
    names,
    one_of,
    prefix,
    source,
    text,
)

_BUS_KEYS = {
    "LOCATION", "KEY_PREFIX", "SOURCE", "SERIALIZER", "COMPRESS_OVER", "MAX_EVENT_BYTES", "LEASE", "DRAIN", "DEADLINE",
    "ON_FAILURE", "DEDUPLICATE", "CIRCUIT", "OUTBOX", "INBOX", "MAX_HOPS", "MIDDLEWARE", "OPTIONS", "PUBLISHERS",
    "STREAMS", "CHANNELS", "RELAY",
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
    problems += _alike([str(alias) for alias in raw])
    return {str(alias): _bus(str(alias), options, problems) for alias, options in raw.items()}, problems


def _alike(aliases: Sequence[str]) -> list[Problem]:
    first: dict[str, str] = {}
    return [
        Problem(
            id="bus.E001",
            message=f"REDIS_BUS has the aliases {other!r} and {alias!r}, which some databases take for the same.",
            hint="Rename one of them, so that they differ in more than upper and lower case.",
        )
        for alias in aliases
        if (other := first.setdefault(alias.strip().casefold(), alias)) != alias
    ]


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
        deadline_s=s.get("DEADLINE", at_least(0.01), f"{seconds}, at least 0.01", 0.25),
        on_failure=s.get("ON_FAILURE", one_of("spill", "raise", "drop"), "'spill', 'raise' or 'drop'", None),
        deduplicate_s=s.get("DEDUPLICATE", at_least(1), f"{seconds}, at least 1, or None", 120.0, optional=True),
        circuit=_circuit(f"{place}['CIRCUIT']", s.get("CIRCUIT", mapping, "a mapping", {}), problems),
        outbox=_outbox(f"{place}['OUTBOX']", s.get("OUTBOX", mapping, "a mapping", {}), problems),
        inbox_retention_s=_inbox(f"{place}['INBOX']", s.get("INBOX", mapping, "a mapping", {}), problems),
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
        channels={
            name: channel(f"{place}['CHANNELS'][{name!r}]", name, entry, problems)
            for name, entry in s.get("CHANNELS", mapping, "a mapping of name to options", {}).items()
            if _is_topic(place, name, problems)
        },
        relay=relay(f"{place}['RELAY']", s.get("RELAY", mapping, "a mapping", {}), problems),
    )
    s.finish()
    return config


def _circuit(place: str, raw: object, problems: list[Problem]) -> CircuitConfig:
    s = Section(place, raw, problems)
    config = CircuitConfig(
        failures=s.get("failures", at_least(1, whole=True), "a whole number, at least 1", 3),
        cooldown_s=s.get("cooldown", at_least(0.01), "a number of seconds or a text such as '1s'", 1.0),
    )
    s.finish()
    return config


def _outbox(place: str, raw: object, problems: list[Problem]) -> OutboxConfig:
    s = Section(place, raw, problems)
    config = OutboxConfig(
        fast_path=s.get("fast_path", flag, "True or False", True),
        retention_s=s.get("retention", at_least(0), "a number of seconds or a text such as '1d'", 86_400.0),
    )
    s.finish()
    return config


def _inbox(place: str, raw: object, problems: list[Problem]) -> float:
    s = Section(place, raw, problems)
    retention_s: float = s.get("retention", at_least(1), "a number of seconds or a text such as '7d'", 604_800.0)
    s.finish()
    return retention_s


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
    max_lag = s.get("MAX_LAG", lag, "a number of events, or an age such as '5m'", None)
    choices = ("raise", "spill", "trim")
    on_full = s.get("ON_FULL", one_of(*choices), "'raise', 'spill' or 'trim'", "raise")
    redact = s.get("REDACT", names, "a list of paths in the data", ())
    s.finish()
    return StreamConfig(
        name=name,
        retention=None if asked is None else _retention(f"{place}['RETENTION']", asked, problems),
        limit=None if max_lag is None else Limit(events=max_lag[0], age_s=max_lag[1], on_full=on_full),
        redact=redact,
    )


def _retention(place: str, raw: object, problems: list[Problem]) -> Retention:
    kept = Section(place, raw, problems)
    age_s = kept.get("age", at_least(0.001), 'a number of seconds or a text such as "7d"', None)
    by_default = Retention().count if kept.raw.get("age") is None else None
    wanted = "a number of entries, or None for no limit"
    count = kept.get("count", at_least(0, whole=True), wanted, by_default, optional=True)
    kept.finish()
    return Retention(count=count, age_s=age_s)


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
        delivery=s.get("DELIVERY", text, "'outbox', 'on_commit' or 'immediate'", "on_commit"),
        raw=s.get("RAW", flag, "True or False", False),
        include_subclasses=s.get("INCLUDE_SUBCLASSES", flag, "True or False", True),
        during_migrate=s.get("DURING_MIGRATE", flag, "True or False", False),
        on_error=s.get("ON_ERROR", one_of("log", "raise"), "'log' or 'raise'", "log"),
        changes=s.get("CHANGES", flag, "True or False", False),
        enabled=s.get("ENABLED", flag, "True or False", True),
    )
    s.finish()
    return config
