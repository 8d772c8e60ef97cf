"""A process that imports this dies as if by kill -9, or freezes, at the point that BUS_TEST_DIE names."""

from __future__ import annotations

import os
import signal
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from django_redis_bus.sending import Sender

POINT = os.environ["BUS_TEST_DIE"]

attempt = Sender.attempt


def die(*args: Any, **kwargs: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def freeze_and_send(*args: Any, **kwargs: Any) -> Any:
    Sender.attempt = attempt  # once
    os.kill(os.getpid(), signal.SIGSTOP)
    return attempt(*args, **kwargs)


def send_and_die(self: Sender, *args: Any, **kwargs: Any) -> Any:
    attempt(self, *args, **kwargs)
    die()


match POINT:
    case "before the commit":
        BaseDatabaseWrapper._commit = die
    case "before sending":
        Sender.attempt = die
    case "freezing before sending":
        Sender.attempt = freeze_and_send
    case "after sending":
        Sender.attempt = send_and_die
    case _:
        raise ValueError(POINT)
