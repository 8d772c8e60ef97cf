"""The first page: a bus at a glance."""

from __future__ import annotations

from collections.abc import Sequence

from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from ..operations import channels
from ..operations import overview as operation
from ..operations.channels import ListenerReport
from ..operations.overview import Overview
from ..operations.values import Count
from . import charts
from .routing import Route
from .visits import Visit

REFRESH_S = 5.0


def show(visit: Visit) -> TemplateResponse:
    return shown(visit, operation.overview(visit.asking), channels.channels(visit.asking).listeners)


def shown(visit: Visit, report: Overview, listeners: Sequence[ListenerReport]) -> TemplateResponse:
    """Return the page for a report."""
    groups = [(stream, group) for stream in report.streams.items for group in stream.groups]
    behind = [group.behind for _, group in groups]
    return visit.page(
        "overview.html",
        _("Overview"),
        refresh_s=REFRESH_S,
        report=report,
        server=report.server,
        answers_s=report.server.answers_ms / 1000,
        listeners=listeners,
        listening=sum(each.is_alive for each in listeners),
        findings=sorted(report.findings, key=lambda finding: finding.level != "error"),
        chart=charts.throughput(report.minutes),
        behind=Count(sum(each.number for each in behind), any(each.at_least for each in behind)),
        oldest_s=max((each.oldest_s for each in report.streams.items if each.oldest_s is not None), default=None),
        retrying=sum(group.retrying for _, group in groups),
        dead=sum(stream.dead for stream in report.streams.items),
        alive=sum(group.alive for _, group in groups),
        at_work=[(stream, group, consumer) for stream, group in groups for consumer in group.consumers],
    )


ROUTES = (Route(name="overview", path="", show=show, tab="overview"),)
