"""Strict reading of one mapping of settings, key by key, with every mistake collected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from .attributes import is_text
from .exceptions import did_you_mean

SCHEMES = ("redis://", "rediss://", "unix://", "embedded://")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_LONGEST_S = 1e10  # three centuries; in ms it still fits everywhere
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in settings or declarations, as a system check will show it."""

    id: str
    message: str
    hint: str


def duration_s(value: object) -> float:
    """Return seconds from a number of seconds or a text like "500ms", "30s", "7d". Raises ValueError."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value) if abs(value) < _LONGEST_S else inf
    else:
        match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
        seconds = float(match[1]) * _UNIT_S[match[2]] if match else inf
    if not seconds < _LONGEST_S:  # nan, too
        raise ValueError('a number of seconds or a text such as "30s", "5m", "7d"')
    return seconds


class Section:
    """Reads one mapping of settings, key by key, and collects what is wrong with it."""

    def __init__(self, place: str, raw: object, problems: list[Problem]) -> None:
        self.place = place
        self.problems = problems
        self.raw: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
        self.seen: set[str] = set()
        if not isinstance(raw, Mapping):
            self.wrong("must be a mapping", "Use a dict.")

    def wrong(self, message: str, hint: str, key: str | None = None, id: str = "bus.E003") -> None:
        place = self.place if key is None else f"{self.place}[{key!r}]"
        self.problems.append(Problem(id=id, message=f"{place} {message}.", hint=hint))

    def get(
        self, key: str, read: Callable[[Any], Any], wanted: str, default: Any, *, optional: bool = False,
        secret: bool = False,
    ) -> Any:  # fmt: skip
        """Return the value under `key` as `read` makes it.

        Args:
            key: in the mapping.
            read: raises ValueError or TypeError for what cannot be used.
            wanted: says what to type then.
            default: for what is not there, or not usable.
            optional: None stands for None, also where that is not the default.
            secret: the value may hold a password and is not shown.
        """
        self.seen.add(key)
        if key not in self.raw or (self.raw[key] is None and default is None):
            return default
        value = self.raw[key]
        if value is None and optional:
            return None
        try:
            return read(value)
        except (ValueError, TypeError):
            shown = "is" if secret else f"is {value!r:.80}, which is"
            self.wrong(f"{shown} not {wanted}", f"Give {wanted}.", key)
            return default

    def finish(self) -> None:
        """Report the keys that nobody asked for."""
        for key in sorted(self.raw.keys() - self.seen, key=str):
            self.wrong("is not a known key", did_you_mean(str(key), self.seen).strip(), str(key), "bus.E004")


def text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def source(value: object) -> str:
    if not is_text(text(value)):
        raise ValueError
    return text(value)


def mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError
    return {str(name): entry for name, entry in value.items()}


def names(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError
    return tuple(text(v) for v in value)


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def at_least(least: float, whole: bool = False) -> Callable[[object], Any]:
    def read(value: object) -> float:
        number = duration_s(value) if not whole else value
        if isinstance(number, bool) or not isinstance(number, (int, float)) or number < least:
            raise ValueError
        if whole and not isinstance(number, int):
            raise ValueError
        return number

    return read


def lag(value: object) -> tuple[int | None, float | None]:
    """Return a number of events, or the age of a text such as "5m" in seconds."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value, None
    if not isinstance(value, str) or duration_s(value) <= 0:
        raise ValueError
    return None, duration_s(value)


def one_of(*choices: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return read


def prefix(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_.\-:]{0,100}", value) or value.endswith(":"):
        raise ValueError
    return value


def location(value: object) -> str:
    if not isinstance(value, str) or not value.startswith(SCHEMES):
        raise ValueError
    return value
