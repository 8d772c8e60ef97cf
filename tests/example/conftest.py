"""The shop runs in processes of its own: its settings, apps and handlers are not those of the suite."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.conftest import ROOT
from tests.servers import Server

SET_UP = "import django; django.setup(); from example_project.shop.models import *\n"


class Shop:
    """A shop with its own data directory and its own server."""

    def __init__(self, directory: Path, server: Server) -> None:
        self.server = server
        self.redis: redis.Redis = server.client()
        self.env = environment(directory, server.url)
        self._database = directory / "shop.sqlite3"

    def manage(self, *arguments: str) -> str:
        """Run a manage.py command that has to succeed; return its output."""
        return run([str(ROOT / "manage.py"), *arguments], self.env)

    def python(self, code: str) -> str:
        """Run a piece of code inside the project; return its output."""
        return run(["-c", SET_UP + code], self.env)

    def rows(self, columns: str, table: str) -> list[tuple[Any, ...]]:
        """Return columns of all rows of a table of the shop, in order of their creation."""
        with closing(sqlite3.connect(self._database)) as connection:
            return connection.execute(f"SELECT {columns} FROM shop_{table} ORDER BY id").fetchall()


def environment(directory: Path, url: str = "") -> dict[str, str]:
    """Return the environment of a process of the shop."""
    ours = {
        "DJANGO_SETTINGS_MODULE": "example_project.settings",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
        "SHOP_DATA_DIR": str(directory),
        "SHOP_REDIS": url,
    }
    return dict(os.environ) | ours


def run(arguments: list[str], env: Mapping[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the shop's tables, to be copied."""
    directory = tmp_path_factory.mktemp("shop")
    run([str(ROOT / "manage.py"), "migrate", "--verbosity", "0"], environment(directory))
    return directory / "shop.sqlite3"


@pytest.fixture
def shop(tmp_path: Path, migrated: Path, own_server: Callable[..., Server]) -> Shop:
    """An empty shop."""
    shutil.copy(migrated, tmp_path / "shop.sqlite3")
    return Shop(tmp_path, own_server(aof=False))
