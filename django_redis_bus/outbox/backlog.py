"""What this process has spilled and nobody has shipped yet: nothing may overtake it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from time import monotonic

from django.db import connections

from django_redis_bus.core.events import Message

from . import table
from .rows import PENDING, order_key

_LOOK_AGAIN_S = 1.0


class Backlog:
    """The databases whose outbox holds events of one bus that this process spilled. True while there are any.

    Other processes learn of an outage for themselves, so across processes this is no promise; DELIVERY "outbox" makes
    one.

    Args:
        bus: its alias.
    """

    def __init__(self, bus: str) -> None:
        self._bus = bus
        self._looked: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self._looked)

    def begin(self, using: str) -> bool:
        """Note that events were spilled to `using`. Returns whether that is news."""
        news = using not in self._looked
        self._looked[using] = monotonic()
        return news

    def behind(self, messages: Sequence[Message]) -> Collection[int]:
        """Return the indexes of the messages that have to wait behind a row of their key.

        A database that cannot be asked holds nothing back: to publish matters more.
        """
        found: set[int] = set()
        keys = [order_key(self._bus, m.topic, m.key) for m in messages]
        asked = {key for key in keys if key is not None}
        for using, looked in list(self._looked.items()):
            try:
                pending = table.model()._base_manager.using(using).filter(bus=self._bus, state=PENDING)
                if monotonic() - looked >= _LOOK_AGAIN_S:
                    self._looked[using] = monotonic()
                    if not pending.exists():
                        self._looked.pop(using, None)
                        continue
                if asked:
                    waiting = set(pending.filter(order_key__in=asked).values_list("order_key", flat=True))
                    found |= {i for i, key in enumerate(keys) if key in waiting}
            except Exception:
                connections[using].close_if_unusable_or_obsolete()
        return found
