"""What an act is done to, as its confirmation and its record name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from django.utils.translation import gettext as _

from ..bus import buses
from .visits import Visit

Fact: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """A stream, and perhaps a group of it, on a bus.

    Attributes:
        facts: label and value, as the confirmation lists them.
        about: the same in one line, for the record.
    """

    facts: tuple[Fact, ...]
    about: str


def whereabouts(visit: Visit, topic: str, group: str = "") -> Whereabouts:
    """Return what the confirmation and the record name."""
    facts = [(_("Stream"), topic)]
    if group:
        facts.append((_("Group"), group))
    if len(buses) > 1:
        facts.append((_("Bus"), visit.alias))
    about = f"{topic}, group {group}" if group else topic
    return Whereabouts(facts=tuple(facts), about=f"{about}, bus {visit.alias}")


def filter_fact(query: Mapping[str, object]) -> Fact:
    """Return the filter that entries are chosen by, as the confirmation lists it."""
    said = ", ".join(f"{name}: {value}" for name, value in query.items() if value)
    return _("All that match"), said or _("no filter: all of them")
