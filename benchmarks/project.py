"""The Django project that a measured process is."""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings

from .job import Job

MEMORY = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}


def setup(job: Job, **bus: Any) -> None:
    """Set up Django with the job's database and, but for `bus`, default settings."""
    _setup(job, ["django_redis_bus"], bus)


def setup_with_tables(job: Job, **bus: Any) -> None:
    """The same, with all tables."""
    _setup(job, ["django_redis_bus", "benchmarks"], bus)
    _make_tables()


def setup_without_bus(job: Job) -> None:
    """Set up a project that knows nothing of the bus."""
    _setup(job, ["benchmarks"], None)
    _make_tables()


def _setup(job: Job, apps: list[str], bus: dict[str, Any] | None) -> None:
    database = job.database or MEMORY
    if database["ENGINE"] == "django.db.backends.mysql":
        from tests import mysqldb

        mysqldb.install()
    buses = (
        {}
        if bus is None
        else {"REDIS_BUS": {"default": {"LOCATION": job.url, "KEY_PREFIX": job.prefix, "SOURCE": "bench", **bus}}}
    )
    settings.configure(
        INSTALLED_APPS=apps,
        DATABASES={"default": database},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        **buses,
    )
    django.setup()


def _make_tables() -> None:
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)
