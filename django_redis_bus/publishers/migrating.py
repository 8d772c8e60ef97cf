"""Silence while `migrate` runs: it saves permissions and content types by the hundred."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate, pre_migrate

_UID = "django_redis_bus.publishers.migrating"


class _Silence(threading.local):
    """Whether this thread is inside a `migrate`."""

    running: Callable[[], object | None] | None = None


_silence = _Silence()


def migrating() -> bool:
    """Return whether this thread is between pre_migrate and the last post_migrate."""
    running = _silence.running
    return running is not None and running() is not None


def connect() -> None:
    """Start to watch for migrations."""
    pre_migrate.connect(_begin, weak=False, dispatch_uid=_UID)


def disconnect() -> None:
    """Undo connect()."""
    pre_migrate.disconnect(dispatch_uid=_UID)
    post_migrate.disconnect(dispatch_uid=_UID)
    _silence.running = None


def _begin(sender: AppConfig, **kwargs: Any) -> None:
    stdout = kwargs.get("stdout")
    # A migrate that fails sends no post_migrate. Its output stream lives as long as the command, and so does
    # the silence: a process that goes on after a failed call_command("migrate") publishes again.
    _silence.running = weakref.ref(stdout) if stdout is not None else lambda: True
    # Receivers run in the order they were connected; the one that ends the silence has to come after those
    # that create permissions and content types, wherever their apps stand in INSTALLED_APPS.
    post_migrate.disconnect(dispatch_uid=_UID)
    post_migrate.connect(_end, weak=False, dispatch_uid=_UID)


def _end(sender: AppConfig, **kwargs: Any) -> None:
    last = [config for config in apps.get_app_configs() if config.models_module is not None][-1]
    if sender is last:
        _silence.running = None
