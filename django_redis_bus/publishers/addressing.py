"""Where an event goes and what names it: TOPIC, KEY and TYPE, worked out once per publisher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from django_redis_bus.core.exceptions import ConfigurationError
from django_redis_bus.core.patterns import Pattern

Lookup = Callable[[Any], Any]


def in_kwargs(path: str) -> Lookup:
    """Return the lookup of a dotted path in a signal's arguments: "user.pk", "request.META.REMOTE_ADDR"."""
    first, *rest = path.split(".")

    def look_up(kwargs: Mapping[str, Any]) -> Any:
        if first not in kwargs:
            raise LookupError(f"the signal has no argument {first!r}; it has {', '.join(kwargs)}")
        value = kwargs[first]
        for step in rest:
            value = value[step] if isinstance(value, Mapping) else getattr(value, step)
        return value

    return look_up


def on_instance(path: str) -> Lookup:
    """Return the lookup of an attribute path on an instance: "customer.tenant"."""
    return attrgetter(path)


class Template:
    """A TOPIC or TYPE: a fixed name, or a pattern whose placeholders are looked up per event.

    Args:
        text: as in the settings.
        lookup: makes a lookup from the path in a placeholder.
    """

    def __init__(self, text: str, lookup: Callable[[str], Lookup]) -> None:
        if not text:
            raise ConfigurationError("it has no TOPIC")
        self._pattern = Pattern(text)
        self._lookups = {path: lookup(path) for path in self._pattern.parameters}
        self.fixed = not self._lookups

    def name(self, source: Any) -> str:
        """Return the concrete name. Raises PayloadError if a value does not make one."""
        if self.fixed:
            return self._pattern.text
        return self._pattern.format({path: look_up(source) for path, look_up in self._lookups.items()})


def text_of(value: object) -> str | None:
    """Return a key as text, None if it is empty; the parts of a composite key are joined by commas."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return None if value is None else str(value) or None
