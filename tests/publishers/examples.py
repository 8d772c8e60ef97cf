"""What the publishers of these tests name by dotted path."""

from __future__ import annotations

from typing import Any

from django.dispatch import Signal

from tests.app.models import Order, Tag

paid = Signal()
not_callable = "a text"


class Till:
    """A sender that is no model."""


def order_payload(instance: Order, action: str) -> dict[str, Any]:
    return {"order": instance.pk, "what": action}


def failing_payload(instance: Order, action: str) -> dict[str, Any]:
    raise RuntimeError("the builder failed")


def unencodable_payload(instance: Order, action: str) -> dict[str, Any]:
    return {"what": object()}


def list_payload(instance: Order, action: str) -> list[str]:
    return [action]


def querying_payload(instance: Order, action: str) -> dict[str, Any]:
    return {"tags": Tag.objects.count()}


def is_paid(instance: Order, action: str) -> bool:
    return instance.status == "paid"


def login_payload(sender: Any, **kwargs: Any) -> dict[str, Any]:
    return {"user": kwargs["user"].pk, "sent_by": sender.__name__}


def is_large(sender: Any, amount: int = 0, **kwargs: Any) -> bool:
    return amount >= 100


def takes_nothing() -> dict[str, Any]:
    return {}


async def asynchronous(instance: Order, action: str) -> dict[str, Any]:
    return {}
