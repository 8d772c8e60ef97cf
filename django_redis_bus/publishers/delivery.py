"""When messages leave: at once, or in one batch when the transaction they belong to has committed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from django_redis_bus.bus import buses
from django_redis_bus.core.events import Message

logger = logging.getLogger("django_redis_bus.publishers")

# How many lost events one log record names.
_NAMED = 20


class Outgoing(NamedTuple):
    """A message, where it goes, and what it is about (for the log; never its data)."""

    bus: str
    publisher: str
    about: str
    message: Message


def send(outgoing: Sequence[Outgoing]) -> Exception | None:
    """Send to each bus what is for it, in order, in one round trip per bus.

    Failures are logged. Returns the first of them.
    """
    first: Exception | None = None
    by_bus: dict[str, list[Outgoing]] = {}
    for item in outgoing:
        by_bus.setdefault(item.bus, []).append(item)
    for alias, items in by_bus.items():
        failed: list[tuple[Outgoing, Exception]]
        try:
            results = buses[alias].send([item.message for item in items])
            failed = [(i, r) for i, r in zip(items, results, strict=True) if isinstance(r, Exception)]
        except Exception as error:
            failed = [(item, error) for item in items]
        if failed:
            _log(alias, failed)
            first = first or failed[0][1]
    return first


def _log(alias: str, failed: Sequence[tuple[Outgoing, Exception]]) -> None:
    named = ", ".join(f"{item.publisher}: {item.about} (id {item.message.event_id})" for item, _ in failed[:_NAMED])
    more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    logger.error(
        "Not sent to bus %r: %d event(s) of its publishers: %s%s.",
        alias, len(failed), named, more,
        exc_info=failed[0][1],
    )  # fmt: skip


class Batch:
    """What the saves of one transaction have to say, until it commits."""

    def __init__(self, scope: str | None) -> None:
        self.scope = scope
        self.outgoing: list[Outgoing] = []
        self.open = True

    def commit(self) -> None:
        """Send everything, once: the callback of on_commit."""
        self.open = False
        outgoing, self.outgoing = self.outgoing, []
        send(outgoing)


def send_on_commit(item: Outgoing, using: str) -> Exception | None:
    """Send when the transaction on database `using` commits, with its other events; now if there is none.

    An event shares the fate of its savepoint: what is rolled back says nothing.
    Returns the failure if it was tried now and failed.
    """
    connection = connections[using]
    # Not get_autocommit(): it would open a connection, and without one there is no transaction.
    if not connection.in_atomic_block and (connection.connection is None or connection.autocommit):
        return send([item])
    # None stands for a block without a savepoint.
    active = set(connection.savepoint_ids) - {None}
    scope = _scope(connection)
    batch = _last_batch(connection, scope)
    # Savepoints of the batch that are no longer active were released: nothing can roll them back alone any
    # more. So an event belongs there if the batch is in every savepoint that is active now.
    if batch is None or not active <= batch[0]:
        _join_released(connection, scope, active)
        fresh = Batch(scope)
        transaction.on_commit(fresh.commit, using=using, robust=True)
        fresh.outgoing.append(item)
    else:
        batch[1].outgoing.append(item)
    return None


def _last_batch(
    connection: BaseDatabaseWrapper, scope: str | None, position: int = -1
) -> tuple[set[str], Batch] | None:
    """Return the callback at `position`, if it is a batch that may still grow, with its savepoints."""
    callbacks = connection.run_on_commit
    if scope is None or len(callbacks) < -position:
        return None
    sids, function, *_ = callbacks[position]
    batch = getattr(function, "__self__", None)
    if isinstance(batch, Batch) and batch.open and batch.scope == scope:
        return sids, batch
    return None


def _join_released(connection: BaseDatabaseWrapper, scope: str | None, active: set[str]) -> None:
    """Make one batch of the last ones whose fates have become the same.

    A loop of update_or_create() opens a savepoint per row. Without this it would be one batch per row.
    """
    while True:
        last, previous = _last_batch(connection, scope), _last_batch(connection, scope, -2)
        if last is None or previous is None or last[0] & active != previous[0] & active:
            return
        previous[1].outgoing += last[1].outgoing
        del connection.run_on_commit[-1]


def _scope(connection: BaseDatabaseWrapper) -> str | None:
    """Return the name of the outermost atomic block that is not a TestCase's own; None if there is none.

    A TestCase never commits, and `captureOnCommitCallbacks` looks at what was registered since: there each
    of the test's own atomic blocks stands for a transaction.
    """
    blocks = connection.atomic_blocks
    own = next((i for i, block in enumerate(blocks) if not getattr(block, "_from_testcase", False)), None)
    if own == 0:
        return ""
    # The block that began the transaction has no savepoint.
    return connection.savepoint_ids[own - 1] if own is not None else None
