"""The page of findings against the code."""

from __future__ import annotations

import re

from tests.test_docs import PACKAGE, first_column, section

SECTIONS = ("The server", "A stream", "A group")


def test_the_page_has_each_id_and_no_other() -> None:
    operations = PACKAGE / "operations"
    code = (operations / "server_health.py").read_text() + (operations / "stream_health.py").read_text()
    # By name, or as the second argument of `finding`; of two that depend on something, both.
    named = {
        text for line in re.findall(r"\bid=(.*),$", code, re.MULTILINE) for text in re.findall(r'"([\w-]+)"', line)
    }
    placed = set(re.findall(r'finding\(\s*"(?:error|warning)"[^,]*,\s*"([\w-]+)"', code))

    documented = [each for heading in SECTIONS for each in first_column(section("reference/findings.md", heading))]

    assert len(documented) == len(set(documented))
    assert set(documented) == named | placed
