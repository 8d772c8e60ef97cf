"""Topic names with placeholders: `chat:{room}` formatted into a name and parsed out of one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

from .exceptions import ConfigurationError, PayloadError

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")
_LITERAL = re.compile(r"[A-Za-z0-9_.\-:@+]*")
# One segment of a name: no colon (it would make parsing ambiguous), no space, no glob or brace character
# (a value must never become part of a pattern or of a hash tag), nothing that has no UTF-8 form, and nothing that is
# not seen: two rooms must not look like one.
_UNSEEN = (  # Unicode's category Cf
    r"\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    r"\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0001\U000e0020-\U000e007f"
)
_VALUE = re.compile(rf"[^\s:*?\[\]{{}}\\\x00-\x1f\x7f-\x9f\ud800-\udfff{_UNSEEN}]{{1,128}}")

LONGEST = 500
"""Characters of a name: what a row of the outbox has room for."""


class Pattern:
    """A topic name that may hold placeholders: "events:order", "chat:{room}", "user:{user.pk}"."""

    def __init__(self, text: str) -> None:
        if not text or text.startswith(":") or text.endswith(":") or "::" in text:
            raise ConfigurationError(f"{text!r} is no topic name: segments between colons must not be empty.")
        literals = _PLACEHOLDER.split(text)[::2]
        for literal in literals:
            if not _LITERAL.fullmatch(literal):
                raise ConfigurationError(
                    f"{text!r} is no topic name: use letters, digits and _ - . : @ + with {{placeholders}}."
                )
        self.text = text
        self.parameters: tuple[str, ...] = tuple(_PLACEHOLDER.findall(text))
        if len(text) > LONGEST:
            raise ConfigurationError(f"{text[:50]!r}… is no topic name: it has more than {LONGEST} characters.")
        if len(set(self.parameters)) != len(self.parameters):
            raise ConfigurationError(f"{text!r} names a placeholder twice.")

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        pieces = _PLACEHOLDER.split(self.text)
        parts = [re.escape(p) if i % 2 == 0 else f"({_VALUE.pattern})" for i, p in enumerate(pieces)]
        return re.compile("".join(parts))

    @cached_property
    def _crowded(self) -> bool:
        """Whether one segment has two placeholders: not every pair of values can be told apart there."""
        return any(len(_PLACEHOLDER.findall(segment)) > 1 for segment in self.text.split(":"))

    @cached_property
    def glob(self) -> str:
        """The Redis pattern that matches every name of this topic: "chat:*"."""
        return _PLACEHOLDER.sub("*", self.text)

    @cached_property
    def fixed(self) -> str:
        """What the names have in common, with dots for colons: "support" of "support:{ticket}"."""
        segments = (
            _PLACEHOLDER.sub("", segment).strip("_.-@+") if "{" in segment else segment
            for segment in self.text.split(":")
        )
        return ".".join(filter(None, segments))

    def format(self, values: Mapping[str, object]) -> str:
        """Return the concrete name for `values`.

        Raises PayloadError when a value is missing, unknown, or not usable as one segment of a name.
        """
        unknown = values.keys() - set(self.parameters)
        missing = [p for p in self.parameters if p not in values]
        if unknown or missing:
            wanted = ", ".join(self.parameters) or "none"
            raise PayloadError(
                f"Topic {self.text!r} takes the parameters: {wanted}; got: {', '.join(values) or 'none'}.",
                topic=self.text,
            )

        def one(match: re.Match[str]) -> str:
            value = values[match[1]]
            text = "" if value is None else str(value)
            if not _VALUE.fullmatch(text):
                raise PayloadError(
                    f"Topic {self.text!r}: the value for {match[1]!r} must be 1 to 128 characters without spaces, "
                    "colons, braces, glob, control or invisible characters.",
                    topic=self.text,
                    path=match[1],
                )
            return text

        name = _PLACEHOLDER.sub(one, self.text)
        if len(name) > LONGEST:
            raise PayloadError(
                f"Topic {self.text!r}: a name has at most {LONGEST} characters, not {len(name)}.", topic=self.text
            )
        if self._crowded and self.parse(name) != {p: str(values[p]) for p in self.parameters}:
            raise PayloadError(
                f"Topic {self.text!r}: these values could not be told apart again in {name!r}.", topic=self.text
            )
        return name

    def parse(self, name: str) -> dict[str, str] | None:
        """Return the parameters held in `name`, or None if it is not a name of this topic."""
        match = self._regex.fullmatch(name) if len(name) <= LONGEST else None
        return dict(zip(self.parameters, match.groups(), strict=True)) if match else None

    def overlaps(self, other: Pattern) -> bool:
        """Return whether some name belongs to both topics."""
        ours, theirs = self.text.split(":"), other.text.split(":")
        return len(ours) == len(theirs) and all(map(_meet, ours, theirs))


def _meet(one: str, two: str) -> bool:
    """Whether some text fits both segments."""
    ours, theirs = _PLACEHOLDER.split(one)[::2], _PLACEHOLDER.split(two)[::2]
    if len(ours) == 1:
        return Pattern(two).parse(one) is not None
    if len(theirs) == 1:
        return Pattern(one).parse(two) is not None
    # What stands between the first and the last placeholder always finds room in the other's placeholder.
    starts, ends = sorted([ours[0], theirs[0]], key=len), sorted([ours[-1], theirs[-1]], key=len)
    return starts[1].startswith(starts[0]) and ends[1].endswith(ends[0])
