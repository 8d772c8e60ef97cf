"""Checks of REDIS_BUS itself."""

from __future__ import annotations

from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from .. import conf
from ..transport.clients import check_url


def check_settings() -> list[CheckMessage]:
    """bus.E001–E008: what the parser found, and middleware that cannot be imported."""
    messages: list[CheckMessage] = [Error(p.message, hint=p.hint, id=p.id) for p in conf.problems()]
    for alias, config in conf.configs().items():
        place = f"REDIS_BUS[{alias!r}]"
        try:
            check_url(config.location)
        except ValueError as error:
            messages.append(
                Error(
                    f"{place}['LOCATION'] cannot be read: {error}.",
                    hint="Example: redis://127.0.0.1:6379/0",
                    id="bus.E009",
                )
            )
        for path in config.middleware or ():
            try:
                made = import_string(path)
            except ImportError as error:
                messages.append(
                    Error(
                        f"{place}['MIDDLEWARE']: {path!r} cannot be imported: {error}.",
                        hint="Give the dotted path of a Middleware class.",
                        id="bus.E008",
                    )
                )
                continue
            if not callable(made):
                messages.append(
                    Error(
                        f"{place}['MIDDLEWARE']: {path!r} is no class.",
                        hint="Give a Middleware class.",
                        id="bus.E008",
                    )
                )
    return messages
