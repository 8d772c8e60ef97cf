"""An event bus on Redis for Django projects.

from django_redis_bus import Event, Stream

ORDERS = Stream("events:order", payload=OrderEvent)

@ORDERS.handler(group="billing", types=["shop.order.created"])
def charge(event: Event[OrderEvent]) -> None: ...

ORDERS.publish(OrderEvent(...), type="shop.order.created", key="42")
"""

from .bus import Bus, bus, buses
from .channels import Channel
from .core.config import Limit, Retention
from .core.events import Event, Message, Published
from .core.exceptions import (
    BusError,
    ConfigurationError,
    EventTooLarge,
    HopLimitExceeded,
    PayloadError,
    PublishError,
    StreamFull,
    TransportError,
    Unavailable,
    UnknownTopic,
)
from .core.gaps import Gap
from .core.policy import Reject, Retry
from .topics import Stream

__version__ = "0.1.0"

__all__ = [
    "Bus",
    "BusError",
    "Channel",
    "ConfigurationError",
    "Event",
    "EventTooLarge",
    "Gap",
    "HopLimitExceeded",
    "Limit",
    "Message",
    "PayloadError",
    "PublishError",
    "Published",
    "Reject",
    "Retention",
    "Retry",
    "Stream",
    "StreamFull",
    "TransportError",
    "Unavailable",
    "UnknownTopic",
    "bus",
    "buses",
]
