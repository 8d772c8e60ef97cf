"""What this process has spilled and nobody has shipped yet: nothing may overtake it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from time import monotonic

from django.db import connections, transaction

from django_redis_bus.core.events import Message

from . import table
from .rows import PENDING, order_key
from .statements import listed, statements

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
        # When each database was looked at last, and the highest row that was spilled to it.
        self._spilled: dict[str, tuple[float, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._spilled)

    def begin(self, using: str, row_id: int) -> bool:
        """Note that events were spilled to `using`, up to this row. Returns whether that is news."""
        news = using not in self._spilled
        self._spilled[using] = (monotonic(), row_id)
        return news

    def behind(self, messages: Sequence[Message]) -> Collection[int]:
        """Return the indexes of the messages that have to wait behind a row of their key.

        A database that cannot be asked holds nothing back: to publish matters more.
        """
        found: set[int] = set()
        keys = [order_key(self._bus, m.topic, m.key) for m in messages]
        asked = {key for key in keys if key is not None}
        for using, (looked, highest) in list(self._spilled.items()):
            try:
                # In a savepoint if the caller is in a transaction, which a failure must not break.
                with transaction.atomic(using=using) if connections[using].in_atomic_block else nullcontext():
                    ours = table.model()._base_manager.using(using)
                    ours = ours.filter(bus=self._bus, state=PENDING, id__lte=highest)
                    if monotonic() - looked >= _LOOK_AGAIN_S:
                        self._spilled[using] = (monotonic(), highest)
                        if not ours.exists():
                            self._spilled.pop(using, None)
                            continue
                    if asked:
                        waiting = _waiting(using, asked, highest)
                        found |= {i for i, key in enumerate(keys) if key in waiting}
            except Exception:
                connections[using].close_if_unusable_or_obsolete()
        return found


def _waiting(using: str, keys: Collection[int], highest: int) -> set[int]:
    """Return which keys have a pending row up to an id. Not by the ORM: it is asked for each event of an outage."""
    query = statements(connections[using]).waiting.format(keys=listed(keys), highest=highest + 1)
    with connections[using].cursor() as cursor:
        cursor.execute(query)
        return {found[0] for found in cursor.fetchall()}
