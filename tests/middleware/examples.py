from __future__ import annotations

from typing import Any

from django_redis_bus.core.events import Event
from django_redis_bus.core.handlers import Handler
from django_redis_bus.core.policy import Retry
from django_redis_bus.core.ports import Delivery


def handler(name: str = "shop.handlers.charge", **options: Any) -> Handler:
    return Handler(name=name, stream="events:order", group="billing", fn=print, retry=Retry(), **options)


def event(**attributes: Any) -> Event[Any]:
    usual = {"id": "e-1", "source": "shop", "type": "shop.order.created", "data": {"card": "card-4111"}}
    return Event(**(usual | {"topic": "events:order"} | attributes))


def delivery(entry_id: bytes = b"1700000000000-0", attempt: int = 1) -> Delivery:
    return Delivery(entry_id, [b"data", b"card-4111"], attempt=attempt)
