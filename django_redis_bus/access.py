"""Who may join a channel from a browser, and who may publish to it: the rules, and how one is asked.

A rule is a function `(user, **parameters) -> bool`, sync or async, where parameters are those of the channel's name; or
a Django permission such as "chat.view_room". Without a rule nobody may.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.utils.module_loading import import_string

from .core.exceptions import ConfigurationError
from .core.telling import loggable, printable
from .core.topics import Rule
from .middleware.connections import clean

logger = logging.getLogger("django_redis_bus.access")

RULE_S = 5.0
"""How long a rule may think: a browser and whoever watches it wait for the answer."""


async def anyone(user: Any, **parameters: Any) -> bool:
    """Everybody, logged in or not."""
    return True


async def signed_in(user: Any, **parameters: Any) -> bool:
    """Users who are logged in."""
    return bool(user.is_authenticated)


async def staff(user: Any, **parameters: Any) -> bool:
    """Users who may enter the admin."""
    return bool(user.is_authenticated and user.is_active and user.is_staff)


async def owner(user: Any, **parameters: Any) -> bool:
    """The user whose primary key is in the channel's name, as {id}, {pk}, {user}, {user_id} or {user.pk}."""
    if not user.is_authenticated or user.pk is None:
        return False
    named = [parameters[name] for name in _OWNERS if name in parameters]
    return bool(named) and all(str(value) == str(user.pk) for value in named)


_OWNERS = ("id", "pk", "user", "user_id", "user.pk", "user.id")
_DATABASE_FREE = (anyone, signed_in, staff, owner)


def is_permission(rule: object) -> bool:
    """Return whether a rule given as text is a permission, "chat.view_room", and no path of a function."""
    return isinstance(rule, str) and rule.count(".") == 1


@cache
def function_at(path: str) -> Callable[..., Any]:
    """Return the function of a rule given as a dotted path. Raises ConfigurationError."""
    try:
        found = import_string(path)
    except Exception as error:
        raise ConfigurationError(f"The rule {path!r} cannot be imported: {error}") from error
    if not callable(found):
        raise ConfigurationError(f"The rule {path!r} is no function (user, **parameters) -> bool.")
    return found  # type: ignore[no-any-return]


async def allowed(rule: Rule, user: Any, parameters: Mapping[str, Any]) -> bool:
    """Return whether the rule lets this user in. A rule that fails, or is not done in 5 s, says no, and is logged.

    Args:
        rule: as the channel declares it; None lets nobody in.
        user: Django's, possibly anonymous.
        parameters: of the channel's name, typed.
    """
    limit = asyncio.timeout(RULE_S)
    try:
        async with limit:
            answer = await _ask(rule, user, parameters)
        if not isinstance(answer, bool):
            logger.error("The rule %s returned %s, not True or False: taken as no", _name(rule), type(answer).__name__)
        return answer is True
    except Exception as error:
        if limit.expired():
            logger.error("The rule %s was not done after %g s, which means no", _name(rule), RULE_S)
            return False
        told, exc_info = loggable(error)
        logger.error(
            "The rule %s failed, which means no: %s%s", _name(rule), type(error).__name__, told, exc_info=exc_info
        )
        return False


async def _ask(rule: Rule, user: Any, parameters: Mapping[str, Any]) -> Any:
    if rule is None:
        return False
    if is_permission(rule):
        return await _in_thread(partial(user.has_perm, rule))
    ask: Any = function_at(rule) if isinstance(rule, str) else rule
    if ask in _DATABASE_FREE:
        return await ask(user, **parameters)
    if not (iscoroutinefunction(ask) or iscoroutinefunction(type(ask).__call__)):
        answer: Any = await _in_thread(partial(ask, user, **parameters))
        return await answer if inspect.isawaitable(answer) else answer
    await sync_to_async(clean)()
    return await ask(user, **parameters)


async def _in_thread(ask: Callable[[], Any]) -> Any:
    def run() -> Any:
        # A thread that lives as long as the process: its database connection may have gone stale.
        clean()
        try:
            return ask()
        finally:
            clean()

    return await sync_to_async(run)()


def _name(rule: Rule) -> str:
    text = rule if isinstance(rule, str) else getattr(rule, "__qualname__", None) or type(rule).__name__
    return printable(text)
