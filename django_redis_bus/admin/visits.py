"""One look at one bus: who asks, what he may, and the questions to Redis, all within one deadline."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from ..bus import Bus
from ..core.exceptions import ConfigurationError
from ..operations.asking import Asking
from .frame import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit(Frame):
    """What a page works with.

    Attributes:
        request, site, rights, alias, tab: see Frame.
        bus: that is looked at, chosen by `?bus=`.
        asking: questions to it; they have PAGE_S together.
    """

    bus: Bus
    asking: Asking

    def given(self, name: str, default: str = "") -> str:
        """Return a value of the address's query."""
        return self.request.GET.get(name, default)

    def needed(self, name: str) -> str:
        """Return a value that the page cannot do without. Raises ConfigurationError."""
        found = self.given(name)
        if not found:
            raise ConfigurationError(_("The address of this page lacks “%(name)s=…”.") % {"name": name})
        return found
