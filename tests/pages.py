"""The pages of the documentation, and what stands in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PACKAGE = ROOT / "django_redis_bus"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
CODE = re.compile(r"`([^`]*)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
LONGEST = 300


def section(page: str, heading: str) -> str:
    """Return what stands under a heading, without its subsections' siblings."""
    text = (DOCS / page).read_text()
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,2}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no heading {heading!r}"
    return found[2]


def rows(text: str) -> list[list[str]]:
    """Return the cells of the rows of all tables in a text."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines]
    return [row for row in cells if row[0]]


def first_column(text: str) -> list[str]:
    """Return the code in the first cells."""
    return [code[1] for row in rows(text) if (code := CODE.match(row[0]))]
