"""Making a stream shorter, by what it should keep, and never by what a group still needs."""

from __future__ import annotations

from ..core.config import Retention
from .asking import Asking
from .values import Count


def removable(asking: Asking, topic: str, retention: Retention) -> Count:
    """Return how many entries `trim` would remove now; counting has a bound. Raises BusError."""
    raise NotImplementedError


def trim(asking: Asking, topic: str, retention: Retention) -> int:
    """Remove what exceeds the retention and no live group needs; return how many entries went. Raises BusError.

    It ends when nothing is left to remove or the time is over.
    """
    raise NotImplementedError
