"""Dead letters as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from textwrap import indent

from ..operations.dead import DeadLetter
from .tables import name

ERROR_CHARS = 300


def in_brief(letter: DeadLetter) -> Iterator[str]:
    """Yield a dead letter in a list: what it is, and what it failed with."""
    event = " ".join(filter(None, (letter.shown.type, letter.shown.key)))
    runs = "" if letter.attempts is None else f" after {letter.attempts} run{'' if letter.attempts == 1 else 's'}"
    why = f"{name(letter.group)}: {name(letter.reason)}{runs}"
    yield f"{letter.dead_id}  {_moment(letter.last_ms)}  {why}  {name(event, 200)}".rstrip()
    if letter.error:
        yield f"    {name(letter.error, ERROR_CHARS)}"


def about_letter(letter: DeadLetter) -> Iterator[str]:
    """Yield all that is known of a dead letter."""
    shown = letter.shown
    there = "still in the stream" if letter.in_stream else "no longer in the stream"
    facts = {
        "dead letter": letter.dead_id,
        "given up by": f"group {letter.group}, consumer {letter.consumer}",
        "reason": letter.reason,
        "error": letter.error,
        "runs": "" if letter.attempts is None else str(letter.attempts),
        "first failed": _moment(letter.first_ms),
        "given up": _moment(letter.last_ms),
        "entry": f"{letter.entry_id}, {there}",
        "event": shown.event_id,
        "type": shown.type,
        "source": shown.source,
        "subject": shown.subject,
        "key": shown.key,
        "time": shown.time,
        **dict(shown.attributes),
        "cannot be read": shown.trouble,
    }
    for what, value in facts.items():
        if value:
            yield f"{what + ':':15} {value}"
    if shown.data is not None:
        yield "data:"
        yield indent(shown.data, "    ")
    if letter.traceback:
        yield "traceback:"
        yield indent(letter.traceback.rstrip(), "    ")


def _moment(ms: int | None) -> str:
    if ms is None:
        return "-"
    try:
        return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"
    except (ValueError, OverflowError, OSError):
        return "-"
