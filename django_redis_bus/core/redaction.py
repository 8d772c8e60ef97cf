"""What must not be shown: places in the data, and the values found there wherever a text quotes them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from enum import Enum
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import UUID

import msgspec

from .exceptions import ConfigurationError
from .serializers import is_model, plain

REDACTED = "[redacted]"
SHORTEST = 3
"""Shorter values are not looked for in texts: they stand in every other word."""
EACH = "*"

Path = tuple[str, ...]
Scrub = Callable[[str], str]
_Named = list[tuple[str, str, Any]]
"""Per part of a value: its name on the wire, its name in Python, and the part."""


def parse_path(text: str) -> Path:
    """Return the steps of a path such as "email", "card.number", "lines[].price" or "lines.*.price".

    Raises ConfigurationError, saying what to write.
    """
    steps = tuple(text.replace("[]", f".{EACH}").removeprefix(".").split("."))
    if not all(steps) or steps[0] == "$" or any(c in step for step in steps for c in "[]*" if step != EACH):
        raise ConfigurationError(
            f"{text!r} is no path in the data. Write names with dots between them, and [] or * for every item: "
            "'email', 'card.number', 'lines[].price'."
        )
    return steps


def redact(data: Any, paths: Iterable[str]) -> Any:
    """Return data as plain values, with "[redacted]" in these places.

    Args:
        data: plain, or a Struct, dataclass, TypedDict, attrs class or pydantic model; it is not changed.
        paths: a list in the way of a name is entered, with or without [].
    """
    return _copy(data, [parse_path(path) for path in paths], lambda value: REDACTED)


def scrub(text: str, values: Iterable[Any]) -> str:
    """Return the text with "[redacted]" where it quotes one of these values. See Scrubber."""
    return Scrubber(values)(text)


class Scrubber:
    """Takes values out of texts, in the spellings that errors quote them in, whatever the case of the letters.

    Texts of less than three characters, True, False and None are left, as is what was made of a value: a part of it,
    a hash, another format.

    Args:
        values: containers stand for all that is in them.
    """

    def __init__(self, values: Iterable[Any]) -> None:
        texts = {form.lower() for value in values for leaf in _leaves(value) for form in _forms(leaf)}
        self._texts = sorted((t for t in texts if len(t) >= SHORTEST), key=len, reverse=True)
        self._last = ("", "")

    def __call__(self, text: str) -> str:
        asked, answer = self._last
        if asked != text:  # the error of a whole batch is asked for once per event
            lower = text.lower()
            # A search for each is quicker than one for all: almost none is there.
            found = [re.escape(t) for t in self._texts if t in lower]
            answer = re.sub("|".join(found), REDACTED, text, flags=re.IGNORECASE) if found else text
            self._last = (text, answer)
        return answer


class Redaction:
    """What must not be shown of one stream's events.

    Args:
        paths: in their data.
        plain_data: returns the data of an entry's fields as plain values. A handler may have changed the event's.
    """

    def __init__(self, paths: Iterable[str], plain_data: Callable[[Any], Any]) -> None:
        self._paths = [parse_path(path) for path in paths]
        self._plain_data = plain_data

    def scrubber(self, seen: Iterable[tuple[Any, Any]]) -> Scrub:
        """Return what cleans the texts of an error.

        Args:
            seen: of each event that the error may quote, the fields of the entry and the data that the handler got.
        """
        hidden: list[Any] = []

        def hide(value: Any) -> str:
            hidden.append(value)
            return REDACTED

        try:
            for entry_fields, data in seen:
                _copy(self._plain_data(entry_fields), self._paths, hide)
                _copy(data, self._paths, hide)
            return Scrubber(hidden)
        except Exception:  # a value's own code, or data nested too deeply
            return _hide_all


def _hide_all(text: str) -> str:
    return REDACTED


def _copy(value: Any, paths: list[Path], hide: Callable[[Any], Any]) -> Any:
    if not paths:
        return msgspec.to_builtins(value, enc_hook=_shown)
    if () in paths:
        return hide(value)
    named = _named(value)
    if named is not None:
        return {wire: _copy(part, _below(paths, wire, name), hide) for wire, name, part in named}
    if isinstance(value, list | tuple | set | frozenset):
        inside = [path[1:] if path[0] == EACH else path for path in paths]
        return [_copy(item, inside, hide) for item in value]
    return msgspec.to_builtins(value, enc_hook=_shown)


def _below(paths: list[Path], *names: str) -> list[Path]:
    """Return what is left of the paths that lead into a part of these names."""
    found = []
    for path in paths:
        if path[0] == EACH:
            found.append(path[1:])
        # A signal's publisher sends {"user.pk": 7}: names may have dots in them.
        found += [path[end:] for end in range(1, len(path) + 1) if ".".join(path[:end]) in names]
    return found


def _named(value: Any) -> _Named | None:
    """Return the parts of what has parts with names, None for anything else."""
    kind = type(value)
    if isinstance(value, Mapping):
        return [(str(key), str(key), part) for key, part in value.items()]
    if isinstance(value, msgspec.Struct):
        config = kind.__struct_config__
        tag: _Named = [(config.tag_field, config.tag_field, config.tag)] if config.tag_field else []
        names = zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True)
        return tag + [(wire, name, getattr(value, name)) for wire, name in names]
    if is_model(kind) and hasattr(kind, "model_fields"):
        aliases = {name: info.serialization_alias or info.alias or name for name, info in kind.model_fields.items()}
        extra = [(name, name, part) for name, part in (value.model_extra or {}).items()]
        return [(alias, name, getattr(value, name)) for name, alias in aliases.items()] + extra
    if is_dataclass(value):
        python_names = [field.name for field in fields(value)]
    elif hasattr(kind, "__attrs_attrs__"):
        python_names = [attribute.name for attribute in kind.__attrs_attrs__]
    elif isinstance(value, tuple) and hasattr(kind, "_fields"):
        python_names = list(kind._fields)
    else:
        return None
    return [(name, name, getattr(value, name)) for name in python_names]


def _shown(value: Any) -> Any:
    try:
        return plain(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _leaves(value: Any) -> Iterator[Any]:
    named = _named(value)
    if named is not None:
        for _, _, part in named:
            yield from _leaves(part)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield value


def _forms(value: Any) -> Iterator[str]:
    """Yield how a value looks in texts."""
    if isinstance(value, Enum):
        yield value.name
        yield from _forms(value.value)
    elif isinstance(value, str):
        yield from _spellings(str.__str__(value))
    elif isinstance(value, bytes | bytearray):
        yield from _spellings(repr(bytes(value))[2:-1])
        yield base64.b64encode(value).decode()
        yield from _spellings(value.decode(errors="replace"))
    else:
        yield from _spellings(str(value))
        if isinstance(value, date | time | timedelta):
            yield repr(value)
        if isinstance(value, date | time):
            yield from _spellings(value.isoformat())
        if isinstance(value, UUID):
            yield value.hex


def _spellings(text: str) -> Iterator[str]:
    """Yield a text as it is, as Python, JSON and URLs write it, and line by line."""
    text = text.strip()
    if not (text.isascii() and text.isalnum()):
        yield from (quote(text, safe="", errors="replace"), quote_plus(text, errors="replace"))
        yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
        # In a longer text with both kinds of quotes, repr escapes one of them.
        yield from (repr(text)[1:-1], repr(f'{text}"')[1:-2], ascii(text)[1:-1])
        yield from (line.strip() for line in text.splitlines())
    yield text
