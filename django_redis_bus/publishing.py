"""What may be said of one publish beside the event itself: when it leaves, and how long that may take."""

from __future__ import annotations

from datetime import datetime, timedelta
from time import time
from typing import Any, NamedTuple, cast, get_args

from .core.config import Delivery
from .core.exceptions import ConfigurationError
from .messages import Attributes

# Three centuries; in ms it still fits a database's whole numbers.
_LONGEST_S = 1e10


class PublishOptions(Attributes, total=False):
    """The arguments of Stream.publish after the data."""

    delivery: Delivery
    using: str | None
    delay: float | timedelta | None
    at: datetime | None
    deadline_s: float | None


class Plan(NamedTuple):
    """How one event is to leave."""

    delivery: Delivery
    using: str | None
    at_ms: int | None
    deadline_s: float | None


_PLAIN = Plan("immediate", None, None, None)
_OPTIONS = PublishOptions.__annotations__.keys() - Attributes.__annotations__.keys()


def plan_of(options: PublishOptions) -> tuple[Plan, Attributes]:
    """Return the plan, and the attributes of the event. Raises ConfigurationError for what cannot be meant."""
    if not options.keys() & _OPTIONS:
        return _PLAIN, options
    rest: dict[str, Any] = dict(options)
    delivery = rest.pop("delivery", "immediate")
    if delivery not in get_args(Delivery):
        raise ConfigurationError(f"delivery is 'outbox', 'on_commit' or 'immediate', not {delivery!r:.50}.")
    delay, at, deadline_s = rest.pop("delay", None), rest.pop("at", None), rest.pop("deadline_s", None)
    if deadline_s is not None and not deadline_s > 0:
        raise ConfigurationError("deadline_s must be more than 0 seconds.")
    at_ms = _moment_ms(delay, at)
    if at_ms is not None and options.get("delivery", "outbox") != "outbox":
        raise ConfigurationError(f"delay and at need the outbox; leave delivery={delivery!r} away.")
    plan = Plan(delivery, rest.pop("using", None), at_ms, deadline_s)
    return plan, cast("Attributes", rest)


def _moment_ms(delay: Any, at: Any) -> int | None:
    if delay is None and at is None:
        return None
    if delay is not None and at is not None:
        raise ConfigurationError("Say when by delay or by at, not by both.")
    if at is not None:
        if not isinstance(at, datetime) or at.utcoffset() is None:
            raise ConfigurationError("at must be an aware datetime; use django.utils.timezone.now() + timedelta(…).")
        return int(at.timestamp() * 1000)
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not 0 <= seconds < _LONGEST_S:
        raise ConfigurationError(f"delay must be a timedelta or a number of seconds, 0 or more, not {delay!r:.50}.")
    return int((time() + seconds) * 1000)
