"""House rules that no linter knows. The import contracts are in pyproject.toml (`lint-imports`)."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("django_redis_bus", "example_project", "tests", "benchmarks")
SOURCES = sorted(
    path.relative_to(ROOT) for folder in FOLDERS for kind in ("*.py", "*.lua") for path in (ROOT / folder).rglob(kind)
)


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_no_file_is_longer_than_300_lines(source: Path) -> None:
    assert len((ROOT / source).read_text().splitlines()) <= 300


SHEBANG = "#!lua flags=allow-oom\n"


def test_each_lua_script_opens_with_what_it_guarantees() -> None:
    scripts = [ROOT / path for path in SOURCES if path.suffix == ".lua"]
    silent = [p.name for p in scripts if not p.read_text().removeprefix(SHEBANG).startswith("-- Guarantees: ")]

    assert not silent
