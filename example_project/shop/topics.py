"""The shop's topics: which events there are, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django_redis_bus import Channel, Retention, Stream
from django_redis_bus.access import anyone

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


@dataclass(frozen=True, kw_only=True)
class Card:
    """An order as the board shows it. This is what browsers get, so it names no customer."""

    number: int
    status: str
    total: Decimal
    goods: str


# What every group has handled is kept as history up to this number. What one still needs is never removed.
KEPT = 100_000

ORDERS = Stream("events:order", payload=OrderEvent, retention=Retention(count=KEPT))
LOGINS = Stream("events:login", payload=LoginEvent)
# Events on streams are for handlers, and none of them is lost. What browsers watch is a channel.
BOARD = Channel("board:orders", payload=Card, history=200, can_join=anyone)
