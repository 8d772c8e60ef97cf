"""Settings of the example shop. What concerns the bus stands first; the rest is a plain Django project."""

from __future__ import annotations

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent
# The database, the embedded server's files and the logs. `manage.py demo --once` names a temporary folder here.
DATA_DIR = Path(os.environ.get("SHOP_DATA_DIR") or BASE_DIR / "var")
DATA_DIR.mkdir(parents=True, exist_ok=True)

REDIS_BUS = {
    "default": {
        # embedded:// starts a real server with the first process that needs it and stops it with the last.
        # A server of your own: SHOP_REDIS=redis://127.0.0.1:6379/0
        "LOCATION": os.environ.get("SHOP_REDIS") or f"embedded://{DATA_DIR / 'redis'}",
        "KEY_PREFIX": "shop",
        "SOURCE": "shop",
        "PUBLISHERS": {
            # Every order that is saved or deleted becomes an event of type shop.order.created, .updated or .deleted.
            # Nobody calls publish().
            "orders": {
                "MODEL": "shop.Order",
                "TOPIC": "events:order",
                "ACTIONS": ["created", "updated", "deleted"],
                # Nothing leaves the row but what is named: an order's note stays in the shop.
                "FIELDS": ["id", "status", "total", "customer"],
                # A corrected note is a save as well, but no news to anybody.
                "ONLY_IF_CHANGED": ["status"],
                # Events of one order keep their order.
                "KEY": "id",
                # A row in the transaction of the save: no order without its event, whatever becomes of Redis.
                "DELIVERY": "outbox",
            },
            # Any Django signal can be published, here with a function that builds the data. DELIVERY is the default,
            # "on_commit": sent after the commit, and put into the outbox only if Redis does not take it.
            "logins": {
                "SIGNAL": "django.contrib.auth.signals.user_logged_in",
                "TOPIC": "events:login",
                "TYPE": "shop.staff.logged_in",
                "PAYLOAD": "example_project.shop.payloads.login",
            },
        },
        # What is declared in a topics.py can be overruled here: how much is kept, say, and for how long.
        "CHANNELS": {"chat:{room}": {"HISTORY_AGE": "30d"}},
        # When the server restarts, browsers come back over this time, and not all at once. A shop has few.
        "RELAY": {"spread": "1s"},
    }
}

INSTALLED_APPS = [
    "daphne",  # first: with it `runserver` serves HTTP, WebSockets and static files
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_redis_bus",
    "example_project.shop",
    "example_project.chat",
]
ASGI_APPLICATION = "example_project.asgi.application"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(DATA_DIR / "shop.sqlite3"),
        "OPTIONS": {
            # The web server, the consumer, the relay and the demo write to one file. IMMEDIATE lets them wait in line
            # for up to 20 seconds, where the default fails with "database is locked"; with WAL readers need not wait.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL",
        },
    }
}

# For a demonstration on one machine, and for nothing else.
DEBUG = True
SECRET_KEY = "example-project-not-a-secret"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

ROOT_URLCONF = "example_project.urls"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "example_project.csp.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"
LOGIN_URL = "enter"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The bus writes one line per outcome: handled at INFO, retries at WARNING, dead letters at ERROR.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"short": {"format": "%(asctime)s %(levelname)-7s %(message)s", "datefmt": "%H:%M:%S"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "short"}},
    "loggers": {"django_redis_bus": {"handlers": ["console"], "level": "INFO"}},
}
