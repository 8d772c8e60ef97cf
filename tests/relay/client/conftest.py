"""Node, and a folder in which it runs the client."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import django_redis_bus
from tests.conftest import missing

HERE = Path(__file__).parent
STATIC = Path(django_redis_bus.__file__).parent / "static" / "django_redis_bus"
OLDEST_NODE = (20, 11)
"""From there on its test runner can set the clock as these tests do."""


@pytest.fixture(scope="session")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        missing("Node.js")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST_NODE:
        missing(f"Node.js from {'.'.join(map(str, OLDEST_NODE))} on (here is {version.strip()})")
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder in which Node takes the client for the modules that a browser takes it for."""
    shutil.copytree(STATIC, tmp_path / "bus")
    for script in HERE.glob("*.mjs"):
        shutil.copy(script, tmp_path)
    (tmp_path / "package.json").write_text(json.dumps({"type": "module"}))
    return tmp_path
