"""The streams, and one stream with its groups and their consumers."""

from __future__ import annotations

from collections.abc import Sequence

from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from ..operations import rates, streams
from ..operations.health import Finding
from ..operations.overview import stream_findings
from ..operations.rates import Minute
from ..operations.streams import StreamReport
from ..operations.values import Page
from . import charts
from .routing import Route
from .visits import Visit

REFRESH_S = 5.0


def show_all(visit: Visit) -> TemplateResponse:
    return shown_all(visit, streams.streams(visit.asking, after=visit.given("after")))


def shown_all(visit: Visit, page: Page[StreamReport]) -> TemplateResponse:
    """Return the page of a list of streams."""
    return visit.page("streams.html", _("Streams"), refresh_s=REFRESH_S, page=page, is_first=not visit.given("after"))


def show(visit: Visit) -> TemplateResponse:
    topic = visit.needed("stream")
    report = streams.stream(visit.asking, topic)
    return shown(visit, report, rates.minutes(visit.asking, [topic]), stream_findings(visit.asking, [report]))


def shown(
    visit: Visit, report: StreamReport, minutes: Sequence[Minute], findings: Sequence[Finding] = ()
) -> TemplateResponse:
    """Return the page of one stream."""
    return visit.page(
        "stream.html",
        report.topic,
        crumbs=[(_("Streams"), visit.url("streams"))],
        refresh_s=REFRESH_S,
        stream=report,
        findings=findings,
        chart=charts.throughput(minutes),
    )


ROUTES = (
    Route(name="streams", path="", show=show_all, tab="streams"),
    Route(name="stream", path="stream/", show=show, tab="streams"),
)
