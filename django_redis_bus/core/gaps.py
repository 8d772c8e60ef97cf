"""Gap: what a listener is told where it may have missed messages."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Reason: TypeAlias = Literal["lost", "silent", "differs", "refused", "overflow"]


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Messages may be missing here: everything published meanwhile, or what the listener's own queue had no room for.

    It comes before the first message after the hole.
    """

    topics: tuple[str, ...]
    """The names and patterns that may have missed something, without the key prefix."""
    reason: Reason
    """"lost", the connection was closed; "silent", nothing came over it any more; "differs", Redis had other
    subscriptions than we; "refused", Redis did not let us subscribe again for a while; "overflow", the listener's
    queue was full."""
    seconds: float
    """How long the hole is: from when all was known to be well until it was again."""
    missed: int | None = None
    """How many messages are missing; None if nobody knows."""

    def __str__(self) -> str:
        missed = "messages may be" if self.missed is None else f"{self.missed:,} messages are"
        return f"{missed} missing ({self.reason}, {self.seconds:.1f} s): {', '.join(self.topics)}"


def together(first: Gap | None, second: Gap) -> Gap:
    """Return one Gap for two that nothing stands between."""
    if first is None:
        return second
    known = first.missed is not None and second.missed is not None
    return Gap(
        topics=tuple(dict.fromkeys((*first.topics, *second.topics))),
        reason=second.reason if first.reason == "overflow" else first.reason,
        seconds=first.seconds + second.seconds,
        missed=(first.missed or 0) + (second.missed or 0) if known else None,
    )
