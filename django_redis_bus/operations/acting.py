"""One verb done to many entries: page by page, within a number and a time, and each entry by an atomic script."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..core.exceptions import BusError, ConfigurationError
from .asking import Asking
from .values import Acted

AT_ONCE = 10_000
"""So many are acted on in one go."""
PAGE = 500
"""So many in one call of a script: it keeps Redis busy for a few milliseconds."""
RESERVE_S = 0.5
"""With less time than this left, no other page is begun."""
DONE = b"done"

Pages = Iterable[tuple[Sequence[str], str | None]]
"""Ids, and where the next page begins; None at the end."""
_ID = re.compile(r"\d{1,20}-\d{1,20}")


def act(asking: Asking, pages: Pages, do: Callable[[Sequence[str]], Sequence[bytes]]) -> Acted:
    """Do something to the entries of all pages, or of as many as one go has room for.

    Args:
        do: returns what became of ids, in their order: b"done", or why it was left alone. It may stop early.

    Raises BusError if nothing was done. Later ones only end it: what was done is told, and the rest asked for again.
    """
    became: Counter[bytes] = Counter()
    reached = ""
    try:
        for ids, following in pages:
            left = ids
            while left:
                answers = do(left)
                became.update(answers)
                left = left[len(answers) :]
            if following is None:
                return _acted(became)
            reached = following
            if became.total() >= AT_ONCE or is_short(asking):
                break
    except BusError:
        if not became:
            raise
    return _acted(became, more=True, following=reached)


def is_short(asking: Asking) -> bool:
    """Return whether too little time is left for another page."""
    return asking.is_over or asking.left_s < RESERVE_S


def pages_of(ids: Sequence[str], after: str = "") -> Iterator[tuple[Sequence[str], str | None]]:
    """Yield ids that somebody chose, from the place `after` on. Raises ConfigurationError for what is no id."""
    for each in ids:
        if not is_id(each):
            raise ConfigurationError(f"{each[:50]!r} is no entry id. One looks like 1795388384771-0.")
    for at in range(int(after or 0), len(ids), PAGE):
        following = at + PAGE
        yield ids[at:following], str(following) if following < len(ids) else None


def is_id(text: str) -> bool:
    """Return whether a text is the id of one entry."""
    return bool(_ID.fullmatch(text)) and all(int(part) < 2**64 for part in text.split("-"))


def _acted(became: Counter[bytes], *, more: bool = False, following: str = "") -> Acted:
    left_alone = {reason.decode(): number for reason, number in became.items() if reason != DONE}
    return Acted(done=became[DONE], left_alone=left_alone, more=more, following=following)
