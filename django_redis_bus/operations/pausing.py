"""Groups and handlers that are told to take nothing for a while. Their consumers obey within a second, and say so."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from .. import registry
from ..core.exceptions import ConfigurationError, did_you_mean
from .asking import Asking
from .records import Record

WHY_CHARS = 200
MOST = 1_000
"""So many pauses of a stream are looked at."""
NO_DATE_MS = 253_402_300_800_000
"""The year 10000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Something that is paused.

    Attributes:
        group: of which stream is clear.
        handler: dotted name of the one that is paused; "" for the whole group.
        by: who paused it.
        at_ms: when, Unix ms, by Redis's clock.
        why: in the operator's words.
    """

    group: str
    handler: str = ""
    by: str = ""
    at_ms: int = 0
    why: str = ""


def pause(asking: Asking, topic: str, group: str, handler: str = "", *, by: str, why: str = "") -> Pause:
    """Let a group, or one handler of it, take nothing more until `resume`. What runs is finished.

    A group that is paused reads nothing: its events wait in the stream. Events of a paused handler whose group goes on
    are put aside and come back. No attempt is counted for either. Pausing again replaces who and why.

    Raises ConfigurationError for a handler that the group does not have, BusError.
    """
    _check(asking, topic, group, handler)
    made = Pause(group=group, handler=handler, by=by, at_ms=asking.now_ms(), why=why[:WHY_CHARS])
    note = msgspec.json.encode({"by": made.by, "at": made.at_ms, "why": made.why})
    asking.run("pause", [asking.keys(topic, group).paused], field(group, handler), note)
    return made


def resume(asking: Asking, topic: str, group: str, handler: str = "") -> bool:
    """Let it go on. What was put aside for a paused handler is due at once. Returns whether it was paused.

    Raises ConfigurationError for a handler that the group does not have and that is not paused, BusError.
    """
    keys = asking.keys(topic, group)
    was_paused = bool(asking.call("HDEL", keys.paused, field(group, handler)))
    if not was_paused:  # one that is paused may have been renamed since
        _check(asking, topic, group, handler)
    offset: int | None = 0
    while offset is not None and not asking.is_over:
        following = int(asking.run("unhold", [keys.retry, keys.failures], offset))
        offset = following if following >= 0 else None
    return was_paused


def pauses(asking: Asking, topic: str) -> tuple[Pause, ...]:
    """Return what is paused of a stream, in the order of the names. Raises BusError."""
    key = asking.keys(topic).paused
    if asking.call("HLEN", key) > MOST:  # no bus pauses so much
        return parsed(asking.call("HSCAN", key, 0, "COUNT", MOST)[1])
    return parsed(asking.call("HGETALL", key))


def parsed(flat: list[bytes]) -> tuple[Pause, ...]:
    """Return the pauses in the raw reply of HGETALL; what their notes do not say is "" or 0."""
    found = []
    for field, note in zip(flat[::2], flat[1::2], strict=True):
        group, _, handler = field.decode(errors="replace").partition("\n")
        said = Record(note)  # set by hand, it says nothing: it is paused all the same
        at_ms = said.whole("at") or 0
        found.append(
            Pause(
                group=group,
                handler=handler,
                by=said.text("by"),
                at_ms=at_ms if at_ms < NO_DATE_MS else 0,
                why=said.text("why"),
            )
        )
    return tuple(sorted(found, key=lambda pause: (pause.group, pause.handler)))


def field(group: str, handler: str) -> str:
    """Return the name under which a pause is noted."""
    return f"{group}\n{handler}" if handler else group


def _check(asking: Asking, topic: str, group: str, handler: str) -> None:
    if not handler:
        return
    declared = registry.find_stream(asking.bus.alias, topic)
    here = [
        each.name
        for each in registry.handlers(asking.bus.alias)
        if declared is not None and each.stream == declared.name and each.group == group
    ]
    if handler not in here:
        raise ConfigurationError(
            f"Stream {topic!r}, group {group!r} has no handler {handler!r}. {did_you_mean(handler, here).strip()}"
        )
