"""Which dead letters a page is about, as its address says it: read by the page and by what is done from it."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from ..core.policy import Reason
from ..operations.dead import Match
from .visits import Visit

GONE = _("There is no such dead letter, or no longer: it may have been redriven or discarded.")
REASONS = {
    Reason.EXHAUSTED: _("Attempts used up"),
    Reason.REJECTED: _("Rejected by its handler"),
    Reason.NOT_RETRYABLE: _("An error that is not retried"),
    Reason.CRASHED: _("It ended its process too often"),
    Reason.UNDECODABLE: _("Unreadable bytes"),
    Reason.UNKNOWN_TYPE: _("Unknown event type"),
    Reason.UNKNOWN_VERSION: _("Unknown schema version"),
    Reason.INVALID_PAYLOAD: _("Not the declared payload"),
    Reason.TOO_LARGE: _("Too large"),
    Reason.OPERATOR: _("Given up by an operator"),
}


def match_of(visit: Visit) -> Match:
    """Return the filter in the address."""
    return Match(
        group=visit.given("group"),
        reason=visit.given("reason"),
        type=visit.given("type").strip(),
        text=visit.given("text").strip(),
    )


def query_of(match: Match) -> dict[str, object]:
    """Return the filter as it stands in addresses."""
    return {"group": match.group, "reason": match.reason, "type": match.type, "text": match.text}
