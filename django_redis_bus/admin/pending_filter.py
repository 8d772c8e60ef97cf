"""Which pending entries a page is about, as its address says it: read by the page and by what is done from it."""

from __future__ import annotations

from typing import Any, get_args

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..core.exceptions import ConfigurationError
from ..operations.pending import Match, State
from .visits import Visit

STATES = {
    "running": gettext_lazy("Running"),
    "waiting": gettext_lazy("Waits for its retry"),
    "held": gettext_lazy("Held: its handler is paused"),
    "silent": gettext_lazy("Silent: is taken over next"),
}
SILENCES = ((10, gettext_lazy("10 seconds")), (60, gettext_lazy("1 minute")), (600, gettext_lazy("10 minutes")),
            (3600, gettext_lazy("1 hour")), (86_400, gettext_lazy("1 day")))  # fmt: skip


def match_of(visit: Visit) -> Match:
    """Return the filter in the address. Raises ConfigurationError."""
    state: Any = visit.given("state")
    if state and state not in get_args(State):
        raise ConfigurationError(_("“%(state)s” is no state of a pending entry.") % {"state": state})
    try:
        idle_s = float(visit.given("idle", "0") or 0)
    except ValueError:
        idle_s = -1.0
    if not 0 <= idle_s < 1e9:
        raise ConfigurationError(_("“idle” is a number of seconds."))
    return Match(consumer=visit.given("consumer"), state=state, idle_s=idle_s, error=visit.given("error").strip())


def query_of(match: Match) -> dict[str, object]:
    """Return the filter as it stands in addresses."""
    return {
        "consumer": match.consumer,
        "state": match.state,
        "idle": f"{match.idle_s:g}" if match.idle_s else "",
        "error": match.error,
    }
