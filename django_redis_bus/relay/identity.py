"""Who is at the other end of a socket: the user, whether that is still true, and what the others may know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from operator import attrgetter
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY, aget_user, get_user_model
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils.module_loading import import_string

from ..core.exceptions import ConfigurationError
from ..core.patterns import Pattern
from ..core.revocation import mark
from ..core.telling import printable
from ..middleware.connections import clean
from .protocol import User

NAME_LONGEST = 150


def user_of(scope: Mapping[str, Any]) -> Any:
    """Return the user that the middleware found; an anonymous one if there is no such middleware."""
    user = scope.get("user")
    return AnonymousUser() if user is None else user


def session_mark(scope: Mapping[str, Any]) -> str | None:
    """Return what names a session in messages between processes, without being its key."""
    key = getattr(scope.get("session"), "session_key", None)
    return mark(key) if key else None


async def fresh(scope: Mapping[str, Any], user: Any) -> Any:
    """Return the user as it is now, None if it may not go on: logged out, deleted, inactive, or with a new password.

    Raises what the database or the session store raises.
    """
    if not isinstance(user, get_user_model()):
        return user  # of an authentication that we know nothing of
    session = scope.get("session")
    if session is not None and SESSION_KEY in session:
        request = HttpRequest()
        # Not the session at hand: it remembers what was in the store at the beginning.
        request.session = session.__class__(session.session_key)
        found: Any = await aget_user(request)
    else:
        found = await sync_to_async(_reload)(user.pk)
    same = found is not None and found.is_authenticated and found.pk == user.pk
    return found if same and found.is_active else None


def _reload(pk: Any) -> Any:
    clean()
    return get_user_model()._default_manager.filter(pk=pk).first()


def shown(user: Any, identity: str | None) -> User | None:
    """Return what the others in a room see of a user; None for an anonymous one.

    Args:
        identity: dotted path of the project's own function, RELAY["identity"]. Raises what that raises.
    """
    if not user.is_authenticated:
        return None
    if identity is None:
        found: Mapping[str, Any] = {"id": user.pk, "name": user.get_username()}
    else:
        found = _function(identity)(user)
    if not {"id", "name"} <= found.keys():
        raise ConfigurationError(f"RELAY['identity'] {identity!r} must return a mapping with id and name.")
    return User(id=_text(found["id"]), name=_text(found["name"]))


@cache
def _function(path: str) -> Callable[[Any], Any]:
    return import_string(path)  # type: ignore[no-any-return]


def _text(value: object) -> str:
    # They become CloudEvents attributes, which hold no control characters.
    return printable(str(value))[:NAME_LONGEST]


@cache
def _pattern(text: str) -> Pattern:
    return Pattern(text)


def pushed(templates: tuple[str, ...], user: Any) -> list[str]:
    """Return the names of the topics that a user is given without asking. Raises PayloadError or AttributeError if one
    cannot be made.

    Args:
        templates: RELAY["push"]: "notifications", "user:{user.pk}".
    """
    names = []
    for text in templates:
        pattern = _pattern(text)
        found = {path: attrgetter(path.removeprefix("user."))(user) for path in pattern.parameters}
        names.append(pattern.format({path: value() if callable(value) else value for path, value in found.items()}))
    return names
