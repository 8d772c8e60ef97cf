"""An event that nobody can read, added by hand, as a careless script would."""

from __future__ import annotations

from typing import Any

from .facts import STREAM


def publish_poison(redis: Any) -> str:
    """Add an event whose JSON breaks off; return its entry id."""
    fields = {
        "ce_specversion": "1.0",
        "ce_id": "by-hand",
        "ce_source": "careless-script",
        "ce_type": "shop.order.created",
        "content-type": "application/json",
        "data": '{"id": 7, "status": "crea',
    }
    return str(redis.xadd(STREAM, fields).decode())
