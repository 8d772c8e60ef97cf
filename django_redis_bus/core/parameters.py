"""Typed placeholders: {"id": 7} as the text in a name, and back."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec

from .exceptions import ConfigurationError, PayloadError, did_you_mean
from .patterns import Pattern


class Parameters:
    """The types of a pattern's placeholders.

    A value has one text: 7 is "7", and "007" is no name of it. Else one room would have several names, and who may
    enter the one could be kept out of the other.

    Args:
        pattern: the topic's.
        kinds: placeholder -> type, as msgspec reads it: int, UUID, an enum, Annotated[str, Meta(pattern=…)].

    Raises ConfigurationError for placeholders that are not in the name and types that msgspec does not know.
    """

    def __init__(self, pattern: Pattern, kinds: Mapping[str, Any]) -> None:
        self._pattern = pattern
        self._kinds = dict(kinds)
        for name, kind in self._kinds.items():
            if name not in pattern.parameters:
                raise ConfigurationError(
                    f"Channel {pattern.text!r}: parameters names {name!r}. {did_you_mean(name, pattern.parameters)}"
                    f"Write it into the name as {{{name}}}."
                )
            try:
                msgspec.json.Decoder(kind)
            except (TypeError, NameError) as error:
                raise ConfigurationError(
                    f"Channel {pattern.text!r}: the type of {name!r} cannot be used: {str(error).rstrip('.')}. "
                    "Use int, str, uuid.UUID, an enum, or Annotated[…, msgspec.Meta(…)]."
                ) from None

    def format(self, values: Mapping[str, object]) -> str:
        """Return the concrete name. Raises PayloadError for values that are missing, unknown, or do not fit."""
        if not self._kinds:
            return self._pattern.format(values)
        ready = dict(values)
        for name in self._kinds.keys() & ready.keys():
            try:
                ready[name] = _text(self._typed(name, _text(ready[name])))
            except (msgspec.ValidationError, TypeError, ValueError, OverflowError) as error:
                raise PayloadError(
                    f"Topic {self._pattern.text!r}: the value for {name!r} does not fit: {error}.",
                    topic=self._pattern.text,
                    path=name,
                ) from None
        return self._pattern.format(ready)

    def parse(self, name: str) -> dict[str, Any] | None:
        """Return the typed values held in `name`, None if it is not what `format` would make of them."""
        texts: dict[str, Any] | None = self._pattern.parse(name)
        if texts is None:
            return None
        try:
            for parameter in self._kinds:
                value = self._typed(parameter, texts[parameter])
                if _text(value) != texts[parameter]:
                    return None
                texts[parameter] = value
        except (msgspec.ValidationError, TypeError, ValueError, OverflowError):
            return None
        return texts

    def _typed(self, name: str, text: str) -> Any:
        return msgspec.convert(text, self._kinds[name], strict=False)


def _text(value: object) -> str:
    """Return the one text of a value: as JSON would write it, without the quotes."""
    if isinstance(value, str) and not isinstance(value, Enum):
        value = str.__str__(value)  # a SafeString, which msgspec does not take for text
    plain = msgspec.to_builtins(value)
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if not isinstance(plain, str | int | float):
        raise TypeError(f"a {type(value).__name__} is not one value")
    return str(plain)
