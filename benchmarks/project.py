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


LAYERS = {
    "pubsub_layer": "channels_redis.pubsub.RedisPubSubChannelLayer",
    "core_layer": "channels_redis.core.RedisChannelLayer",
}


def setup_site(job: Job) -> None:
    """Set up a web site with users and sessions, and with the channel layer of the job's work, if it is one."""
    # Without a timeout: redis-py 8 has one by default, which is shorter than the layer's blocking reads.
    host = {"address": job.url, "socket_timeout": None}
    layers = {"default": {"BACKEND": LAYERS[job.work], "CONFIG": {"hosts": [host]}}} if job.work in LAYERS else {}
    apps = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django_redis_bus"]
    _setup(job, apps, {}, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY="bench", CHANNEL_LAYERS=layers)


def setup_console(job: Job) -> None:
    """Set up a site with Django admin and the console in it, and its tables."""
    apps = [
        *("django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"),
        *("django.contrib.messages", "django.contrib.staticfiles", "django_redis_bus"),
    ]
    processors = ("django.template.context_processors.request", "django.contrib.auth.context_processors.auth")
    _setup(
        job,
        apps,
        {},
        SECRET_KEY="bench",
        ALLOWED_HOSTS=["testserver"],
        ROOT_URLCONF="benchmarks.console_urls",
        STATIC_URL="static/",
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": [*processors, "django.contrib.messages.context_processors.messages"]},
            }
        ],
    )
    _make_tables()


def _setup(job: Job, apps: list[str], bus: dict[str, Any] | None, **more: Any) -> None:
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
        **more,
    )
    django.setup()


def _make_tables() -> None:
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)
