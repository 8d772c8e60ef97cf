"""Settings of the test suite.

pytest-django reads them before any conftest, and AppConfig.ready() reads them for good. So the places are
decided here, once per process (an xdist worker is one), and tests/conftest.py makes what belongs there.
A manage.py process that a test starts is told the places by its environment: see the fixture process_env.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

RUN_DIR = Path(f"/tmp/bus-run-{os.geteuid()}-{os.getpid()}")

SECRET_KEY = "for tests only"
USE_TZ = True
# The default takes half a second of processor time per user, so that nobody guesses passwords. Nobody does here.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django_redis_bus",
    "tests.app",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
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
            ],
        },
    }
]
ROOT_URLCONF = "tests.urls"
STATIC_URL = "/static/"


def _sqlite(alias: str) -> dict[str, object]:
    # A file, not :memory:, because threads and subprocesses share it. IMMEDIATE: writers wait in line, and
    # do not fail with "database is locked".
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(RUN_DIR / f"not-the-test-{alias}.sqlite3"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
        "TEST": {"NAME": str(RUN_DIR / f"{alias}.sqlite3")},
    }


# PostgreSQL and MariaDB come and go with the tests that use them: see tests/databases.py.
DATABASES = json.loads(os.environ.get("BUS_TEST_DATABASES", "{}")) or {
    "default": _sqlite("default"),
    "other": _sqlite("other"),
}
if any(each["ENGINE"] == "django.db.backends.mysql" for each in DATABASES.values()):
    from tests import mysqldb

    mysqldb.install()
MEDIA_ROOT = str(RUN_DIR / "media")

REDIS_BUS = {
    "default": {
        "LOCATION": os.environ.get("BUS_TEST_URL", f"unix://{RUN_DIR}/main/s"),
        "KEY_PREFIX": os.environ.get("BUS_TEST_PREFIX", "tests"),
        "SOURCE": "tests",
        "DEADLINE": 5.0,
        **json.loads(os.environ.get("BUS_TEST_OPTIONS", "{}")),
    }
}
