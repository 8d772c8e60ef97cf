"""Settings-configured publishers: a model save, or any Django signal, becomes an event.

`connect()` reads PUBLISHERS of every bus and connects receivers; it touches neither Redis nor a database.
What happens then: a receiver builds the data and encodes the event at once, so that what is sent is what was
saved (`models`, `signals`), and the message leaves when the transaction commits (`delivery`).
"""

from __future__ import annotations

import logging

from django_redis_bus.conf import configs
from django_redis_bus.core.config import PublisherConfig
from django_redis_bus.core.exceptions import ConfigurationError

from . import migrating
from .models import ModelPublisher
from .publisher import Publisher
from .signals import SignalPublisher

logger = logging.getLogger("django_redis_bus.publishers")

_connected: list[Publisher] = []


def connect() -> None:
    """Connect the publishers of every bus, in place of those connected before.

    An entry that cannot work is left out and logged; the system checks say what is wrong with it.
    """
    disconnect()
    migrating.connect()
    for alias, bus in configs().items():
        for config in bus.publishers.values():
            if not config.enabled:
                continue
            try:
                publisher = _publisher(alias, bus.source, config)
            except (ConfigurationError, ImportError) as error:
                logger.error(
                    "Publisher %r of bus %r publishes nothing: %s. Run: manage.py check",
                    config.name,
                    alias,
                    str(error).rstrip("."),
                )
                continue
            _connected.append(publisher)
            publisher.connect()


def disconnect() -> None:
    """Undo connect()."""
    while _connected:
        _connected.pop().disconnect()
    migrating.disconnect()


def _publisher(alias: str, source: str, config: PublisherConfig) -> Publisher:
    if (config.model is None) == (config.signal is None):
        raise ConfigurationError("it needs either a MODEL or a SIGNAL")
    if config.model is not None:
        return ModelPublisher(alias, config)
    return SignalPublisher(alias, source, config)
