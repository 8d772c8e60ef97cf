"""The streams, and one stream with its groups and their consumers."""

from __future__ import annotations

from collections.abc import Sequence

from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from ..core.exceptions import UnknownTopic, did_you_mean
from ..core.telling import printable
from ..operations import composing, rates, streams
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


def found(visit: Visit, topic: str, group: str = "") -> StreamReport:
    """Return the report of a stream. Raises UnknownTopic if nothing declares it and nothing is there, BusError."""
    report = streams.stream(visit.asking, topic, group)
    if report.exists or report.declaration or report.trouble or report.groups or report.dead:
        return report
    problem = _("There is no stream “%(topic)s”, and nothing declares one.") % {"topic": printable(topic[:200])}
    raise UnknownTopic(f"{problem} {did_you_mean(topic, _known(visit)).strip()}")


def _known(visit: Visit) -> list[str]:
    there = [each.topic for each in streams.streams(visit.asking).items]
    declared = [each.name for each in composing.targets(visit.bus) if each.what == "stream"]
    return sorted({*there, *declared})


def show(visit: Visit) -> TemplateResponse:
    topic = visit.needed("stream")
    report = found(visit, topic)
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
