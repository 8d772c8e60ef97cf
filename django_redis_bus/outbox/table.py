"""Whether and where the outbox has its table."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from django.db import connections, router

from django_redis_bus.core.exceptions import ConfigurationError

if TYPE_CHECKING:
    from django_redis_bus.models import OutboxEvent

# `migrate` may run while a process lives.
_LOOK_AGAIN_S = 30.0

_known: dict[tuple[str, str], float | None] = {}


def model() -> type[OutboxEvent]:
    """Return the model. Not imported above: `django_redis_bus` itself is imported before models may be."""
    from django_redis_bus.models import OutboxEvent

    return OutboxEvent


def exists(using: str) -> bool:
    """Return whether database `using` has the table. Asks the database once, and now and then while it has not.

    Raises what the database raises if it cannot be asked: to be away is not to have none.
    """
    connection = connections[using]
    key = using, str(connection.settings_dict["NAME"])
    looked = _known.get(key, 0.0)
    if looked is None:
        return True
    if looked and monotonic() - looked < _LOOK_AGAIN_S:
        return False
    found = False
    if router.allow_migrate_model(using, model()):
        with connection.cursor() as cursor:
            found = model()._meta.db_table in connection.introspection.table_names(cursor)
    _known[key] = None if found else monotonic()
    return found


def required(using: str) -> None:
    """Raise ConfigurationError if database `using` has no outbox."""
    if not exists(using):
        raise ConfigurationError(
            f"Database {using!r} has no table {model()._meta.db_table}, which the outbox needs. "
            f"Run: manage.py migrate django_redis_bus --database {using}"
        )


def default() -> str:
    """Return the database that holds events which belong to no change."""
    return router.db_for_write(model())


def aliases() -> list[str]:
    """Return the databases that have the table. Raises as `exists` does: one that is away might have it."""
    return [alias for alias in connections if exists(alias)]
