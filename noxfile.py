"""The suite, without its slow tests, on other versions than those in .venv: the oldest, the newest, a pair between.

`nox -l` lists the sessions. Each has an environment of its own, made with venv and pip.
"""

from __future__ import annotations

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "venv"

VERSIONS = """
import sys, django, redis
print(f"Python {sys.version.split()[0]}, Django {django.__version__}, redis-py {redis.__version__}")
"""


@nox.session(python="3.11", reuse_venv=True)
def oldest(session: nox.Session) -> None:
    """Python 3.11, Django 5.2, redis-py 6.4."""
    _suite(session, "django~=5.2.0", "redis[hiredis]~=6.4.0")


@nox.session(python="3.12", reuse_venv=True)
def between(session: nox.Session) -> None:
    """Python 3.12, Django 6.0, redis-py 7."""
    _suite(session, "django~=6.0.0", "redis[hiredis]>=7,<8")


@nox.session(python="3.13", reuse_venv=True)
def newest(session: nox.Session) -> None:
    """Python 3.13, Django 6.1, redis-py 8."""
    _suite(session, "django~=6.1.0", "redis[hiredis]>=8,<9")


def _suite(session: nox.Session, django: str, redis: str) -> None:
    session.install("--quiet", "--editable", ".[test,channels,metrics]", django, redis)
    session.run("python", "-c", VERSIONS)
    # Processes that are killed, and the example, run once, in `make test`: what differs between versions is elsewhere.
    session.run("python", "-m", "pytest", "-n", "auto", "--dist", "worksteal", "-m", "not slow", *session.posargs)
