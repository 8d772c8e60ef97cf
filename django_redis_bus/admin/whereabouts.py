"""What an act is done to, as its confirmation and its record name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from ..bus import buses
from .dead_filter import REASONS
from .pending_filter import STATES
from .visits import Visit

Fact: TypeAlias = tuple[str, str]
_LABELS = {
    "group": gettext_lazy("Group"),
    "reason": gettext_lazy("Reason"),
    "type": pgettext_lazy("of an event", "Type"),
    "text": gettext_lazy("Text"),
    "consumer": gettext_lazy("Consumer"),
    "state": gettext_lazy("State"),
    "idle": gettext_lazy("Silent for at least"),
    "error": gettext_lazy("Text in its error"),
}


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
    said = ", ".join(f"{_LABELS.get(name, name)}: {_told(name, value)}" for name, value in query.items() if value)
    return _("All that match"), said or _("no filter: all of them")


def _told(name: str, value: object) -> str:
    match name:
        case "reason":
            return str(REASONS.get(str(value), value))
        case "state":
            return str(STATES.get(str(value), value))
        case "idle":
            return _("%(count)s s") % {"count": value}
    return str(value)
