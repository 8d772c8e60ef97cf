"""What is wrong with a bus, and what to do about it: from reports to findings, and nothing is asked here.

Titles and hints are in the language that is active: the user's on a page, LANGUAGE_CODE in a command. What there is to
type, names of settings and what Redis says stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that an operator should know.

    Attributes:
        level: "error": events are lost, stuck, or soon will be. "warning": they may be.
        id: stable, such as "eviction", for programs.
        title: what is wrong, in a sentence or two.
        hint: what to do.
        topic, group: what it is about; "" for the server.
    """

    level: Level
    id: str
    title: str
    hint: str
    topic: str = ""
    group: str = ""


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return errors before warnings, else in their order."""
    return tuple(sorted(findings, key=lambda finding: finding.level != "error"))
