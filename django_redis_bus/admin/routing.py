"""The console's addresses: each page is a function of a visit; what surrounds it is here, once.

Names of streams and groups stand in the query and not in the path: they are whatever somebody made them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from ..bus import buses
from ..core.exceptions import BusError, ConfigurationError, did_you_mean
from ..operations.asking import ACT_S, PAGE_S, Asking
from .frame import Frame
from .rights import Right, rights_of
from .trouble import trouble
from .visits import Visit

Show: TypeAlias = Callable[[Visit], HttpResponseBase]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One page.

    Attributes:
        name: "stream" is reversed as admin:django_redis_bus_stream.
        path: below the place it belongs to, "stream/".
        show: makes the answer. On GET it changes nothing.
        needs: right without which there is no answer.
        methods: that it answers; HEAD goes with GET.
        tab: part of the console it belongs to.
        within_s: for all that it asks of Redis on GET.
        act_s: the same on POST, which may be an act.
    """

    name: str
    path: str
    show: Show
    needs: Right = "see"
    methods: tuple[str, ...] = ("GET",)
    tab: str
    within_s: float = PAGE_S
    act_s: float = ACT_S


def urls(site: AdminSite, routes: Iterable[Route]) -> list[URLPattern]:
    """Return the addresses of pages in a site."""
    return [path(route.path, view(site, route), name=f"django_redis_bus_{route.name}") for route in routes]


def view(site: AdminSite, route: Route) -> Callable[..., HttpResponseBase]:
    """Return a page as a view, which the site's login, CSRF and cache rules hold for."""
    # The record of an act is there before the act, also if the process ends in between: it waits for no commit.
    return transaction.non_atomic_requests(site.admin_view(partial(_answer, site=site, route=route)))


def _answer(request: HttpRequest, *, site: AdminSite, route: Route) -> HttpResponseBase:
    rights = rights_of(request)
    if not (rights.see and rights.allow(route.needs)):
        raise PermissionDenied
    allowed = (*route.methods, *(("HEAD",) if "GET" in route.methods else ()))
    if request.method not in allowed:
        return HttpResponseNotAllowed(allowed)
    try:
        alias = _alias(request.GET.get("bus", ""))
    except BusError as error:
        nowhere = Frame(request=request, site=site, rights=rights, alias="", tab=route.tab)
        return trouble(nowhere, error, status=404)
    frame = Frame(request=request, site=site, rights=rights, alias=alias, tab=route.tab)
    try:
        bus = buses[alias]
        asking = Asking(bus, route.act_s if request.method == "POST" else route.within_s)
        visit = Visit(request=request, site=site, rights=rights, alias=alias, tab=route.tab, bus=bus, asking=asking)
        return route.show(visit)
    except BusError as error:
        return trouble(frame, error)


def _alias(given: str) -> str:
    """Return the bus that is meant. Raises ConfigurationError."""
    alias, known = given or "default", list(buses)
    if alias not in known:
        problem = _("There is no bus %(alias)r.") % {"alias": alias}
        raise ConfigurationError(f"{problem} {did_you_mean(alias, known).strip()}")
    return alias
