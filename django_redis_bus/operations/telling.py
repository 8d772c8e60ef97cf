"""What operators have done, in the log: who, what and how many."""

from __future__ import annotations

import logging

from ..core.telling import printable
from .values import Acted

logger = logging.getLogger("django_redis_bus.operations")

TEXT_CHARS = 1_000


def tell(who: str, what: str, about: str, result: Acted | str) -> None:
    """Log an act that is over.

    Args:
        who: the user of the site, or of the system.
        what: the verb, and what was asked for: "redrive dead letters of group billing".
        about: what it was done to, and where: "events:order on redis://127.0.0.1:6379/0".
        result: what it has done; or has not, if it failed.
    """
    said = result if isinstance(result, str) else outcome(result)
    parts = [printable(part[:TEXT_CHARS]) for part in (what, who, about, said)]
    logger.info("%s by %s on %s: %s", *parts)


def outcome(acted: Acted) -> str:
    """Return what an act has done in one line: "12 done, 3 left alone (running), there are more"."""
    left = [f"{number:,} left alone ({reason})" for reason, number in sorted(acted.left_alone.items())]
    more = ["there are more"] if acted.more else []
    return ", ".join([f"{acted.done:,} done", *left, *more])
