"""What is around every page of the console: tabs, breadcrumbs, the switch between buses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from ..bus import buses
from ..core.exceptions import BusError
from ..core.telling import printable
from ..models import OutboxEvent
from .rights import Rights

TITLE_CHARS = 200
NAME_CHARS = 80
"""So much of a name is in a title, where another may follow it."""
TEMPLATES = "django_redis_bus/console"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crumb:
    """One step of the breadcrumbs."""

    text: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """One of the console's parts, as the row of tabs shows it."""

    name: str
    text: str
    url: str
    is_current: bool


_TABS = {
    "overview": _("Overview"),
    "streams": _("Streams"),
    "dead": _("Dead letters"),
    "channels": _("Channels"),
    "outbox": _("Outbox"),
    "publish": _("Publish"),
}


def url(site: AdminSite, name: str, **query: object) -> str:
    """Return the address of a console page in a site. Raises NoReverseMatch.

    Args:
        name: of a route, such as "stream".
        query: what stands behind the question mark; values that are None or "" are left out.
    """
    path = reverse(f"admin:django_redis_bus_{name}", current_app=site.name)
    given = {key: str(value).encode(errors="replace") for key, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Where in the console a page is.

    Attributes:
        alias: of the bus that is looked at; "" if there is none.
        tab: key of the part that the page belongs to.
    """

    request: HttpRequest
    site: AdminSite
    rights: Rights
    alias: str
    tab: str = ""

    def url(self, name: str, **query: object) -> str:
        """Return the address of a page about the same bus. Raises NoReverseMatch."""
        return url(self.site, name, bus=self.alias, **query)

    def tabs(self) -> list[Tab]:
        """Return the parts that the user may enter."""
        found = []
        for name, text in _TABS.items():
            address = self._tab_url(name)
            if address:
                found.append(Tab(name=name, text=str(text), url=address, is_current=name == self.tab))
        return found

    def _tab_url(self, name: str) -> str:
        if not self.rights.see or (name == "publish" and not self.rights.operate):
            return ""
        try:
            if name != "outbox":
                return self.url(name)
            if not self.site.is_registered(OutboxEvent):
                return ""
            if not self.site.get_model_admin(OutboxEvent).has_view_permission(self.request):
                return ""
            return reverse("admin:django_redis_bus_outboxevent_changelist", current_app=self.site.name)
        except NoReverseMatch:  # a site may have taken a part of the console out
            return ""

    def page(
        self,
        template: str,
        title: str,
        *,
        crumbs: Sequence[tuple[str, str]] = (),
        refresh_s: float | None = None,
        status: int = 200,
        **context: Any,
    ) -> TemplateResponse:
        """Return a page of the console.

        Args:
            template: its name in the console's folder, "stream.html".
            title: of the page, plain text.
            crumbs: (text, url) of what is between the console's own crumb and this page.
            refresh_s: with JavaScript the page asks for itself again so often; None: it does not.
        """
        frame = {
            "visit": self,
            "rights": self.rights,
            "bus_alias": self.alias,
            "bus_tabs": self.tabs(),
            "bus_switch": self._switch(),
            "crumbs": [Crumb(text=text, url=address) for text, address in crumbs],
            "refresh_s": refresh_s,
            "title": printable(title[:TITLE_CHARS]),
        }
        context = {**self.site.each_context(self.request), **frame, **context}
        self.request.current_app = self.site.name
        return TemplateResponse(self.request, f"{TEMPLATES}/{template}", context, status=status)

    @staticmethod
    def about(text: str, stream: str, group: str = "") -> str:
        """Return a title such as "Entries of %(stream)s", with the names that it is about."""
        return text % {"stream": _short(stream), "group": _short(group)}

    def _switch(self) -> list[Tab]:
        try:
            aliases = list(buses)
        except BusError:
            return []
        if len(aliases) < 2:
            return []
        return [
            Tab(name=alias, text=alias, url=url(self.site, self._home, bus=alias), is_current=alias == self.alias)
            for alias in aliases
        ]

    @property
    def _home(self) -> str:
        # The same part of another bus: a stream of this one need not be there.
        return self.tab if self.tab in ("streams", "dead", "channels", "publish") else "overview"


def _short(name: str) -> str:
    return name if len(name) <= NAME_CHARS else f"{name[: NAME_CHARS - 1]}…"
