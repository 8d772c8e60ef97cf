"""What all publishers share: from a signal to a message, and what happens when that fails."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, cast, get_args

from django.db import DEFAULT_DB_ALIAS, connections
from django.dispatch import Signal
from django.utils.module_loading import import_string

from django_redis_bus.bus import buses
from django_redis_bus.core.config import Delivery, PublisherConfig
from django_redis_bus.core.exceptions import BusError, ConfigurationError, HopLimitExceeded
from django_redis_bus.delivery import Outgoing, deliver

from .migrating import migrating

logger = logging.getLogger("django_redis_bus.publishers")

DELIVERIES = get_args(Delivery)


class Publisher(ABC):
    """One entry of PUBLISHERS, ready to work: every path imported, every field found.

    Subclasses connect their receivers in `connect()` and call `publish()` from them.

    Args:
        alias: the bus.
        config: the entry.

    Raises ConfigurationError or ImportError for an entry that cannot work.
    """

    def __init__(self, alias: str, config: PublisherConfig) -> None:
        if config.delivery not in DELIVERIES:
            raise ConfigurationError(f"DELIVERY {config.delivery!r} is not available")
        self.alias = alias
        self.config = config
        self.payload = function(config.payload)
        self.when = function(config.when)
        self._connected: list[tuple[Signal, Any, str]] = []

    @abstractmethod
    def connect(self) -> None:
        """Connect the receivers."""

    def disconnect(self) -> None:
        """Undo connect()."""
        for signal, sender, uid in self._connected:
            signal.disconnect(sender=sender, dispatch_uid=uid)
        self._connected.clear()

    def listen(self, signal: Signal, receiver: Callable[..., None], sender: Any, what: str) -> None:
        """Connect `receiver`; `what` names it among the receivers of this publisher."""
        uid = f"django_redis_bus.publishers:{self.alias}:{self.config.name}:{what}"
        signal.connect(receiver, sender=sender, weak=False, dispatch_uid=uid)
        self._connected.append((signal, sender, uid))

    def silent(self, raw: bool) -> bool:
        """Return whether nothing is published now: fixtures are loaded, `migrate` runs, it is muted or switched off."""
        if (raw and not self.config.raw) or (not self.config.during_migrate and migrating()):
            return True
        try:
            bus = buses[self.alias]
        except ConfigurationError:
            return False  # publish() meets it again, where it is logged and breaks no save
        return bus.is_muted or bus.sender.is_off(self.config.name)

    def publish(
        self,
        about: str,
        data: object,
        *,
        topic: str,
        type: str,
        key: str | None,
        subject: str | None,
        using: str | None,
    ) -> None:
        """Encode an event now and let it leave as DELIVERY says.

        Args:
            about: what it is about, for the log.
            using: the database whose transaction it belongs to.

        The rest is as in Bus.message(), and raises as that does.
        """
        bus = buses[self.alias]
        message = bus.message(topic, data, type=type, key=key, subject=subject)
        delivery = cast("Delivery", self.config.delivery)
        if message.live is not None and delivery == "outbox":
            raise ConfigurationError(f"channel {topic!r} is live: DELIVERY 'outbox' is for streams")
        try:
            error = deliver(
                [Outgoing(bus.sender, f"{self.config.name}: {about}", message)], delivery, using or DEFAULT_DB_ALIAS
            )
        except Exception as trouble:
            if delivery != "outbox":
                raise
            raise _NotSent(trouble) from trouble  # without its row the change must not be committed
        if error is not None and self.config.on_error == "raise":
            raise _NotSent(error)

    def failed(self, error: Exception, about: str) -> None:
        """Log `error`; raise it where that was asked for, or is the only honest way."""
        if isinstance(error, _NotSent):
            raise error.error from None
        # Circles have to end in the handler that goes round in them, not in a log.
        if isinstance(error, HopLimitExceeded) or self.config.on_error == "raise" or _broke_a_transaction():
            raise error
        logger.error("Publisher %r of bus %r: no event for %s.", self.config.name, self.alias, about, exc_info=error)


class _NotSent(BusError):
    """Carries the error of a failed, already logged sending up to Publisher.failed()."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def function(path: str | None) -> Callable[..., Any] | None:
    """Return the function at a dotted path. Raises ImportError, ConfigurationError if it is no function."""
    if path is None:
        return None
    found = import_string(path)
    if not callable(found):
        raise ConfigurationError(f"{path} cannot be called")
    return found  # type: ignore[no-any-return]


def _broke_a_transaction() -> bool:
    """Return whether a transaction of this thread can no longer be committed.

    After a failed query PostgreSQL turns the COMMIT into a ROLLBACK without a word: to hide that error from
    the caller would be to lose the save.
    """
    return any(
        connection.in_atomic_block and not connection.is_usable()
        for connection in connections.all(initialized_only=True)
    )
