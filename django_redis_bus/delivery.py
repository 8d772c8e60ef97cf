"""When messages leave: at once, when their transaction has committed, or as rows written in it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .core.config import Delivery
from .core.events import Message
from .core.exceptions import BusError
from .outbox import rows
from .outbox.waking import notify
from .sending import Sender

logger = logging.getLogger("django_redis_bus.publishers")

# How many lost events one log record names.
_NAMED = 20


class Outgoing(NamedTuple):
    """A message, who sends it, and what it is about (for the log; never its data)."""

    sender: Sender
    about: str
    message: Message


class _Gathering:
    """What one block holds back: of one database, until the block ends well."""

    def __init__(self, using: str) -> None:
        self.using = using
        self._savepoints = self._active()
        # With each message the mark of its savepoint: None outside of those that began within the block.
        self._held: dict[Delivery, list[tuple[Outgoing, Callable[[], None] | None]]] = {}
        self._marks: dict[frozenset[str], Callable[[], None]] = {}

    def hold(self, items: Sequence[Outgoing], how: Delivery) -> None:
        """Hold messages back, unless their savepoint is rolled back."""
        active = self._active()
        mark = self._mark(active) if active - self._savepoints else None
        self._held.setdefault(how, []).extend((item, mark) for item in items)

    def let_go(self) -> None:
        """Deliver what is held, in as few statements and round trips as there are deliveries."""
        callbacks = connections[self.using].run_on_commit
        kept = {entry[1] for entry in callbacks}
        callbacks[:] = [entry for entry in callbacks if entry[1] not in self._marks.values()]
        for how, held in self._held.items():
            items = [item for item, mark in held if mark is None or mark in kept]
            if items:
                deliver(items, how, self.using)

    def _active(self) -> frozenset[str]:
        return frozenset(connections[self.using].savepoint_ids) - {None}

    def _mark(self, active: frozenset[str]) -> Callable[[], None]:
        """Return a callback of the commit that Django forgets when one of these savepoints is rolled back."""
        if active not in self._marks:
            self._marks[active] = lambda: None
            transaction.on_commit(self._marks[active], using=self.using)
        return self._marks[active]


_gathered: ContextVar[_Gathering | None] = ContextVar("gathered", default=None)


@contextmanager
def gathering(using: str) -> Iterator[None]:
    """Hold back what is delivered inside the block and deliver it together at its end, if it ends well.

    For many events of one cause: their rows are written with a statement per hundred and not one by one.

    Args:
        using: the database of the change. The block stands inside its transaction; what belongs to other databases
            is not held back.
    """
    outer = _gathered.get()
    if outer is not None and outer.using == using:
        yield
        return
    gathered = _Gathering(using)
    token = _gathered.set(gathered)
    try:
        yield
    finally:
        _gathered.reset(token)
    gathered.let_go()


def deliver(items: Sequence[Outgoing], how: Delivery, using: str) -> Exception | None:
    """Let messages leave as `how` says.

    Args:
        using: the database whose transaction they belong to.

    Returns the first failure if they were tried now and failed. What the database raises for a row is raised: a change
    must not be committed without its event.
    """
    gathered = _gathered.get()
    # What waits for the commit is one batch already.
    if gathered is not None and gathered.using == using and how != "on_commit":
        gathered.hold(items, how)
        return None
    if how == "outbox":
        _store(items, using)
        return None
    if how == "on_commit" and _in_transaction(using):
        _batch(using).outgoing += items
        return None
    return _send(items, using)


def _send(outgoing: Sequence[Outgoing], using: str) -> Exception | None:
    """Send to each bus what is for it, in order, in one round trip per bus. Failures are logged."""
    first: Exception | None = None
    for sender, items in _by_sender(outgoing):
        failed: list[tuple[Outgoing, Exception]]
        try:
            results = sender.send([item.message for item in items], using=using, deadline_s=None)
            failed = [(i, r) for i, r in zip(items, results, strict=True) if isinstance(r, BusError)]
        except Exception as error:  # the other buses get theirs
            failed = [(item, error) for item in items]
        if failed:
            _log(sender.config.alias, failed)
            first = first or failed[0][1]
    return first


def _by_sender(outgoing: Sequence[Outgoing]) -> list[tuple[Sender, list[Outgoing]]]:
    found: dict[str, tuple[Sender, list[Outgoing]]] = {}
    for item in outgoing:
        found.setdefault(item.sender.config.alias, (item.sender, []))[1].append(item)
    return list(found.values())


def _log(alias: str, failed: Sequence[tuple[Outgoing, Exception]]) -> None:
    named = ", ".join(f"{item.about} (id {item.message.event_id})" for item, _ in failed[:_NAMED])
    more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    logger.error(
        "Not sent to bus %r: %d event(s): %s%s.",
        alias, len(failed), named, more,
        exc_info=failed[0][1],
    )  # fmt: skip


def _store(items: Sequence[Outgoing], using: str) -> None:
    """Write the rows now, and publish them after the commit unless that is left to the relay."""
    connection = connections[using]
    # In a transaction that is managed by hand nobody says when it commits: there the relay does it all.
    by_hand = not connection.in_atomic_block and _in_transaction(using)
    for sender, group in _by_sender(items):
        wanted = sender.fast_path and not by_hand
        # While Redis is away nobody would publish them, and they would only be held back when it returns.
        fast = wanted and not sender.is_resting
        moment_ms = rows.now_ms() + rows.HOLD_MS if fast else rows.now_ms()
        stored = rows.store(sender.config.alias, [i.message for i in group], using=using, moment_ms=moment_ms)
        if not wanted:
            notify(using)
        elif not fast:
            continue
        elif connection.in_atomic_block:
            _batch(using).stored += [(sender, row) for row in stored]
        else:
            _ship(sender, stored, using)


def _ship(sender: Sender, stored: Sequence[rows.Row], using: str) -> None:
    from .outbox.fast_path import ship  # it needs models, and this module is imported before there may be any

    ship(sender, stored, using)


class Batch:
    """What the saves of one transaction have to say, until it commits."""

    def __init__(self, using: str, scope: str | None) -> None:
        self.using = using
        self.scope = scope
        self.outgoing: list[Outgoing] = []
        self.stored: list[tuple[Sender, rows.Row]] = []
        self.open = True

    def join(self, later: Batch) -> None:
        """Take over what a later batch holds."""
        self.outgoing += later.outgoing
        self.stored += later.stored

    def commit(self) -> None:
        """Send everything, once: the callback of on_commit."""
        self.open = False
        outgoing, self.outgoing = self.outgoing, []
        stored, self.stored = self.stored, []
        by_alias: dict[str, tuple[Sender, list[rows.Row]]] = {}
        for sender, row in stored:
            by_alias.setdefault(sender.config.alias, (sender, []))[1].append(row)
        for sender, its_rows in by_alias.values():
            _ship(sender, its_rows, self.using)
        if outgoing:
            _send(outgoing, self.using)


def _in_transaction(using: str) -> bool:
    connection = connections[using]
    # Not get_autocommit(): it would open a connection, and without one there is no transaction.
    return connection.in_atomic_block or (connection.connection is not None and not connection.autocommit)


def _batch(using: str) -> Batch:
    """Return the batch of the transaction under way, for an event of this moment.

    An event shares the fate of its savepoint: what is rolled back says nothing.
    """
    connection = connections[using]
    # None stands for a block without a savepoint.
    active = set(connection.savepoint_ids) - {None}
    scope = _scope(connection)
    batch = _last_batch(connection, scope)
    # Savepoints of the batch that are no longer active were released: nothing can roll them back alone any
    # more. So an event belongs there if the batch is in every savepoint that is active now.
    if batch is not None and active <= batch[0]:
        return batch[1]
    _join_released(connection, scope, active)
    fresh = Batch(using, scope)
    transaction.on_commit(fresh.commit, using=using, robust=True)
    return fresh


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
        previous[1].join(last[1])
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
