"""Old rows of the inbox go, a few at a time."""

from __future__ import annotations

import logging
from contextlib import suppress
from threading import Lock
from time import monotonic, time

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import conf
from .rows import delete, inbox_model

logger = logging.getLogger("django_redis_bus.consumer")

MOST = 1_000
EVERY_S = 60.0
# While more old rows are left: a process then removes more of them than it can add.
GO_ON_S = 0.1

_next: dict[str, float] = {}
_one = Lock()


def prune(alias: str) -> None:
    """Delete rows older than INBOX.retention, from time to time, in a transaction of its own. Never raises."""
    if monotonic() < _next.get(alias, 0.0) or not _one.acquire(blocking=False):
        return
    try:
        connection = connections[alias]
        # What surrounds the handler may still be rolled back; and another thread may have been here just now.
        if not connection.in_atomic_block and monotonic() >= _next.get(alias, 0.0):
            _next[alias] = monotonic() + EVERY_S
            if _delete_old(connection) >= MOST:
                _next[alias] = monotonic() + GO_ON_S
    except Exception:
        logger.warning("old rows of the inbox in database %r could not be deleted", alias, exc_info=True)
        with suppress(Exception):
            connections[alias].close_if_unusable_or_obsolete()
    finally:
        _one.release()


def _delete_old(connection: BaseDatabaseWrapper) -> int:
    # The buses share the table, and its rows do not say whose they are: what one of them wants to keep is kept.
    kept_s = max(config.inbox_retention_s for config in conf.configs().values())
    rows = inbox_model().objects.using(connection.alias).order_by("handled_ms")
    old = rows.filter(handled_ms__lt=int((time() - kept_s) * 1000)).values_list("pk", flat=True)
    if connection.features.has_select_for_update_skip_locked:
        with transaction.atomic(using=connection.alias):
            # Not the rows that another process is deleting: no waiting, no deadlock.
            digests = list(old.select_for_update(skip_locked=True)[:MOST])
            delete(connection, digests)
    else:
        # No transaction: on SQLite a write that follows a read in one may be refused at once.
        digests = list(old[:MOST])
        delete(connection, digests)
    return len(digests)
