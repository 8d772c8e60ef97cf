"""Checks of where the outbox is written to. They ask routers, never a database."""

from __future__ import annotations

from collections.abc import Mapping

from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import DEFAULT_DB_ALIAS, connections, router

from django_redis_bus.core.config import BusConfig, PublisherConfig
from django_redis_bus.outbox import table


def check_outbox(configs: Mapping[str, BusConfig]) -> list[CheckMessage]:
    """bus.E114, W005, W006: databases without the outbox, and SQLite that fails where it could wait."""
    messages: list[CheckMessage] = []
    used: set[str] = set()
    for alias, config in configs.items():
        for publisher in config.publishers.values():
            using = _database(publisher)
            if publisher.delivery != "outbox" or using is None:
                continue
            if router.allow_migrate_model(using, table.model()):
                used.add(using)
                continue
            messages.append(
                Error(
                    f"REDIS_BUS[{alias!r}]['PUBLISHERS'][{publisher.name!r}]['DELIVERY'] is 'outbox', but a router "
                    f"keeps the outbox out of database {using!r}, where {publisher.model or 'it'} is written.",
                    hint=f"Let allow_migrate() take app label 'django_redis_bus' for {using!r}: the row has to stand "
                    "in the transaction of the change.",
                    id="bus.E114",
                )
            )
        if config.on_failure == "spill" and not router.allow_migrate_model(
            router.db_for_write(table.model()), table.model()
        ):
            messages.append(
                CheckWarning(
                    f"REDIS_BUS[{alias!r}]['ON_FAILURE'] is 'spill', but a router keeps the outbox out of the database "
                    "that it names for writing it.",
                    hint="Let db_for_write() and allow_migrate() agree about app label 'django_redis_bus'.",
                    id="bus.W006",
                )
            )
    return messages + [_locks(using) for using in sorted(used) if _may_lock(using)]


def _database(publisher: PublisherConfig) -> str | None:
    if publisher.model is None:
        return DEFAULT_DB_ALIAS
    try:
        return router.db_for_write(apps.get_model(publisher.model))
    except (LookupError, ValueError):
        return None  # another check says so


def _may_lock(using: str) -> bool:
    settings = connections[using].settings_dict
    mode = settings.get("OPTIONS", {}).get("transaction_mode") or "DEFERRED"
    return connections[using].vendor == "sqlite" and mode.upper() == "DEFERRED"


def _locks(using: str) -> CheckMessage:
    return CheckWarning(
        f"DATABASES[{using!r}] is SQLite in its default mode: a save in a transaction and a relay at work fail with "
        "'database is locked' where they could wait for each other.",
        hint='Set "OPTIONS": {"transaction_mode": "IMMEDIATE"}.',
        id="bus.W005",
    )
