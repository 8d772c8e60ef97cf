"""The shop's topics: which events there are, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django_redis_bus import Retention, Stream

CREATED = "shop.order.created"
UPDATED = "shop.order.updated"
DELETED = "shop.order.deleted"


@dataclass(frozen=True, kw_only=True)
class OrderEvent:
    """An order as it was at the moment of its save: the FIELDS that PUBLISHERS in settings.py names.

    An event that does not fit is refused: when it is published, by an error; when another program has added it to
    the stream, as a dead letter.
    """

    id: int
    status: str
    total: Decimal
    customer: int


@dataclass(frozen=True, kw_only=True)
class LoginEvent:
    """Somebody logged in; built by payloads.login."""

    username: str


# What every group has handled is kept as history up to this number. What one still needs is never removed.
KEPT = 100_000

ORDERS = Stream("events:order", payload=OrderEvent, retention=Retention(count=KEPT))
LOGINS = Stream("events:login", payload=LoginEvent)
