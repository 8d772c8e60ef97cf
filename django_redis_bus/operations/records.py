"""What processes say of themselves in hashes of name -> JSON: read leniently, for anybody may have written it."""

from __future__ import annotations

from typing import Any

import msgspec

from ..core.telling import printable

NAME_CHARS = 200
_MOST = 2**63


class Record:
    """The record of one process.

    Args:
        raw: JSON; what is no object says nothing.
    """

    def __init__(self, raw: bytes) -> None:
        try:
            said = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            said = None
        self._said: dict[str, Any] = said if isinstance(said, dict) else {}

    def number(self, name: str) -> float | None:
        """Return a number that is not negative; None if it does not say one."""
        value = self._said.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _MOST else None

    def whole(self, name: str) -> int | None:
        """Return a whole number that is not negative; None if it does not say one."""
        value = self.number(name)
        return None if value is None else int(value)

    def seconds(self, name: str) -> float | None:
        """Return as seconds what it says in ms."""
        value = self.number(name)
        return None if value is None else value / 1000

    def text(self, name: str) -> str:
        """Return a printable text, "" if it does not say one."""
        return _text(self._said.get(name))

    def texts(self, name: str, most: int) -> tuple[str, ...]:
        """Return the first texts of a list."""
        value = self._said.get(name)
        return tuple(filter(None, map(_text, value[:most]))) if isinstance(value, list) else ()

    def flag(self, name: str) -> bool:
        """Return whether it says true."""
        return self._said.get(name) is True


def records(flat: list[bytes]) -> dict[str, Record]:
    """Return the records in the raw reply of HGETALL."""
    return {name.decode(errors="replace"): Record(raw) for name, raw in zip(flat[::2], flat[1::2], strict=True)}


def _text(value: object) -> str:
    return printable(value[:NAME_CHARS]) if isinstance(value, str) else ""
