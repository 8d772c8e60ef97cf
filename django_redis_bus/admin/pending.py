"""What a group has read and not settled: a page of it, found by consumer, state, silence and error."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from ..core.exceptions import ConfigurationError
from ..operations import pending
from ..operations.pending import Match, PendingEntry
from ..operations.streams import GroupReport, StreamReport
from ..operations.values import Page
from .pending_acts import ACTS, act
from .pending_filter import SILENCES, STATES, match_of, query_of
from .routing import Route
from .streams import found as found_stream
from .visits import Visit

COUNT = 50
REFRESH_S = 5.0


def show(visit: Visit) -> HttpResponseBase:
    topic, name = visit.needed("stream"), visit.given("group")
    report = found_stream(visit, topic, name)
    if not name and len(report.groups) == 1:
        name = report.groups[0].name
    group = next((each for each in report.groups if each.name == name), None)
    if name and (group is None or not group.exists):
        raise ConfigurationError(_("Stream “%(stream)s” has no group “%(group)s”.") % {"stream": topic, "group": name})
    match = match_of(visit)
    if group is None:
        return shown(visit, report, None, match, Page(items=()))
    found = pending.listing(
        visit.asking, topic, name, match, after=visit.given("after"), count=COUNT, payloads=visit.rights.payloads
    )
    return shown(visit, report, group, match, found)


def shown(
    visit: Visit, report: StreamReport, group: GroupReport | None, match: Match, page: Page[PendingEntry]
) -> HttpResponseBase:
    """Return the page; without a group, the choice among the groups of the stream."""
    query = query_of(match)
    here = {"stream": report.topic, "group": group.name if group else ""}
    title = _("Pending of %(stream)s, group %(group)s") if group else _("Pending of %(stream)s")
    return visit.page(
        "pending.html",
        visit.about(title, **here),
        crumbs=[(_("Streams"), visit.url("streams")), (report.topic, visit.url("stream", stream=report.topic))],
        # Looked for over many entries, a page asks for itself only when told to.
        refresh_s=None if group is None or page.cut_short else REFRESH_S,
        stream=report,
        group=group,
        page=page,
        match=match,
        is_filtered=match != Match(),
        states=STATES,
        silences=SILENCES,
        acts=[each for each in ACTS.values() if visit.rights.allow(each.needs)],
        action=visit.url("pending_act", **here, **query),
        bare=visit.url("pending", **here),
        first=visit.url("pending", **here, **query) if visit.given("after") else "",
        further=visit.url("pending", **here, **query, after=page.following) if page.following else "",
    )


ROUTES = (
    Route(name="pending", path="pending/", show=show, tab="streams"),
    Route(name="pending_act", path="pending/act/", show=act, methods=("POST",), tab="streams"),
)
