"""The JavaScript client: its own tests, which Node runs."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from .conftest import STATIC

HERE = Path(__file__).parent


def run(node: str, script: str, project: Path, *options: str, **env: str) -> None:
    done = subprocess.run(
        [node, "--no-warnings", *options, "--test", "--test-reporter=spec", script],
        cwd=project, env=dict(os.environ) | env, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    passed = re.search(r"pass (\d+)", done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert passed, done.stdout
    assert int(passed[1]) > 0, done.stdout


@pytest.mark.parametrize("script", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_client(script: str, node: str, project: Path) -> None:
    run(node, script, project)


def test_modules_import_each_other_only() -> None:
    # Neither a page's strict policy nor a package manager has a say in it.
    names = {path.name for path in STATIC.glob("*.js")}
    assert len(names) > 1
    for path in STATIC.glob("*.js"):
        text = path.read_text().partition("*/")[2] or path.read_text()
        assert {name.removeprefix("./") for name in re.findall(r'from "(.*?)"', text)} <= names
        assert not re.search(r"\beval\(|new Function|innerHTML", path.read_text())
