"""Data of events that are not columns of a row."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User

from .topics import LoginEvent


def login(sender: type[User], *, user: User, **kwargs: Any) -> LoginEvent:
    """For the signal user_logged_in. It brings the request as well; who reads the stream has no use for that."""
    return LoginEvent(username=user.get_username())
