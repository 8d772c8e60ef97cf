"""The wrappers around the functions of idempotent handlers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from hashlib import blake2b
from time import time
from typing import Any, TypeVar

from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from ..core.answers import errors_of, refuse
from ..core.events import Event
from ..core.exceptions import ConfigurationError
from ..core.telling import printable
from .keeping import Kept
from .pruning import prune
from .rows import NotInserted, Row, delete, inbox_model, insert, missing_table, table_is_missing

T = TypeVar("T")
Answers = list[BaseException | None] | None

logger = logging.getLogger("django_redis_bus.consumer")


class Inbox:
    """The events that one consumer group has handled.

    Args:
        bus: alias.
        group: of the handler.
        name: the handler's, for messages.
        using: alias of the database; None is the one that the routers say.
    """

    def __init__(self, *, bus: str, group: str, name: str, using: str | None) -> None:
        self._bus = bus
        self._group = group
        self._name = name
        self._using = using

    def once(self, fn: Callable[[Event[Any]], object]) -> Callable[[Event[Any]], None]:
        """Wrap the function of a handler that takes one event."""

        @wraps(fn)
        def run(event: Event[Any]) -> None:
            row = self._row(event)

            def work(connection: BaseDatabaseWrapper) -> None:
                if insert(connection, [row]):
                    with Kept(connection, row, self._name):
                        refuse(fn(event), self._name)
                else:
                    self._pass_over(event)

            self._in_transaction(work)

        return run

    def once_each(self, fn: Callable[[list[Event[Any]]], object]) -> Callable[[list[Event[Any]]], Answers]:
        """Wrap the function of a batch handler: it gets the events that have not been handled, if there are any."""

        @wraps(fn)
        def run(events: list[Event[Any]]) -> Answers:
            rows = [self._row(event) for event in events]
            # All processes insert in one order: less deadlocks.
            order = sorted(range(len(rows)), key=lambda at: rows[at][0])

            def at_once(connection: BaseDatabaseWrapper) -> Answers:
                if insert(connection, [rows[at] for at in order]) < len(rows):
                    raise _SomeAreKnown
                return self._call(fn, connection, events, rows)

            def one_by_one(connection: BaseDatabaseWrapper) -> Answers:
                fresh = sorted(at for at in order if insert(connection, [rows[at]]))
                for at in set(order).difference(fresh):
                    self._pass_over(events[at])
                if not fresh:
                    return None
                said = self._call(fn, connection, [events[at] for at in fresh], [rows[at] for at in fresh])
                if said is None:
                    return None
                answers = dict(zip(fresh, said, strict=True))
                return [answers.get(at) for at in range(len(rows))]

            try:
                return self._in_transaction(at_once)
            except _SomeAreKnown:
                pass  # and which they are, only inserts of single rows say on each database
            return self._in_transaction(one_by_one)

        return run

    def _row(self, event: Event[Any]) -> Row:
        event_id = event.id or event.entry_id or ""
        # Not repr(): what that escapes changes with the Unicode tables of a Python version.
        said = ascii((self._bus, event.topic, self._group, event.source, event_id))
        digest = blake2b(said.encode(), digest_size=16).hexdigest()
        return digest, self._group[:200], event_id[:255], int(time() * 1000)

    def _call(
        self,
        fn: Callable[[list[Event[Any]]], object],
        connection: BaseDatabaseWrapper,
        events: list[Event[Any]],
        rows: list[Row],
    ) -> Answers:
        with Kept(connection, rows[0], self._name):
            said = fn(events)
            if said is None:
                return None
            answers = errors_of(said, len(events), self._name)
            delete(connection, [row[0] for row, answer in zip(rows, answers, strict=True) if answer is not None])
        return answers

    def _in_transaction(self, work: Callable[[BaseDatabaseWrapper], T]) -> T:
        alias = self._using or router.db_for_write(inbox_model())
        try:
            with transaction.atomic(using=alias):
                done = work(connections[alias])
        except NotInserted as caught:
            error = caught.error
        else:
            prune(alias)
            return done
        if table_is_missing(connections[alias], error):
            raise ConfigurationError(f"Handler {self._name}: {missing_table(alias)}") from error
        raise error

    def _pass_over(self, event: Event[Any]) -> None:
        if logger.isEnabledFor(logging.DEBUG):
            event_id = printable(event.id or event.entry_id or "")
            logger.debug("%s: event %s has been handled already", self._name, event_id)


class _SomeAreKnown(Exception):
    """Some rows of a batch were there already."""
