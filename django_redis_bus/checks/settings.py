"""Checks of REDIS_BUS itself."""

from __future__ import annotations

import inspect

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.utils.module_loading import import_string

from .. import conf
from ..transport.clients import RESERVED_OPTIONS, check_options, check_url


def check_settings() -> list[CheckMessage]:
    """bus.E001–E009: what the parser found, locations that cannot be read, and middleware that cannot be made."""
    messages: list[CheckMessage] = [Error(p.message, hint=p.hint, id=p.id) for p in conf.problems()]
    for alias, config in conf.configs().items():
        place = f"REDIS_BUS[{alias!r}]"
        try:
            check_url(config.location)
        except ValueError:  # its text may quote a part of the password
            messages.append(
                Error(
                    f"{place}['LOCATION'] cannot be read as a URL.",
                    hint="Example: redis://127.0.0.1:6379/0. In a password, write / # ? @ : as %2F %23 %3F %40 %3A.",
                    id="bus.E009",
                )
            )
        else:
            try:
                check_options(config.location, config.options)
            except TypeError as error:
                messages.append(
                    Error(
                        f"{place}['OPTIONS'] cannot be used: {error}.",
                        hint="OPTIONS are connection arguments of redis-py, such as username or ssl_ca_certs.",
                        id="bus.E016",
                    )
                )
        messages += [
            CheckWarning(
                f"{place}['OPTIONS'][{key!r}] has no effect: the bus sets it itself.",
                hint="Remove it. DEADLINE and LEASE are the bus's own keys.",
                id="bus.W001",
            )
            for key in sorted(config.options.keys() & RESERVED_OPTIONS)
        ]
        for path in config.middleware or ():
            try:
                made = import_string(path)
            except Exception as error:  # whatever importing the module raises
                messages.append(
                    Error(
                        f"{place}['MIDDLEWARE']: {path!r} cannot be imported: {str(error).rstrip('.')}.",
                        hint="Give the dotted path of a Middleware class.",
                        id="bus.E008",
                    )
                )
                continue
            if not _can_be_made(made):
                messages.append(
                    Error(
                        f"{place}['MIDDLEWARE']: {path!r} is no class that can be made without arguments.",
                        hint="Give a Middleware class.",
                        id="bus.E008",
                    )
                )
    return messages


def _can_be_made(made: object) -> bool:
    if not callable(made):
        return False
    try:
        inspect.signature(made).bind()
    except TypeError:
        return False
    except ValueError:
        pass  # no readable signature
    return True
