"""The first page: a bus at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from ..operations import overview as operation
from ..operations.groups import ConsumerReport, consumers
from ..operations.listeners import ListenerReport, listeners
from ..operations.overview import Overview
from ..operations.values import Count
from . import charts
from .routing import Route
from .visits import Visit

REFRESH_S = 5.0
AT_WORK = 50
"""So many consumers are shown, those first that have had an event in hand for longest."""
GROUPS = 100
"""Of so many groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A live consumer, and where it works."""

    topic: str
    group: str
    consumer: ConsumerReport


def show(visit: Visit) -> TemplateResponse:
    report = operation.overview(visit.asking)
    alive = [(stream.topic, group.name) for stream in report.streams.items for group in stream.groups if group.alive]
    found = zip(alive, consumers(visit.asking, alive[:GROUPS]), strict=False)
    workers = [
        Worker(topic=topic, group=group, consumer=each)
        for (topic, group), those in found
        for each in those
        if each.is_alive
    ]
    return shown(visit, report, workers, listeners(visit.asking))


def shown(
    visit: Visit, report: Overview, workers: Sequence[Worker], listening: Sequence[ListenerReport]
) -> TemplateResponse:
    """Return the page for a report."""
    streams = report.streams.items
    groups = [group for stream in streams for group in stream.groups]
    behind = [group.behind for group in groups]
    longest = sorted(workers, key=lambda worker: -(worker.consumer.oldest_s or 0.0))
    return visit.page(
        "overview.html",
        _("Overview"),
        refresh_s=REFRESH_S,
        report=report,
        server=report.server,
        answers_s=report.server.answers_ms / 1000,
        findings=report.findings,
        chart=charts.throughput(report.minutes),
        behind=Count(sum(each.number for each in behind), any(each.at_least for each in behind)),
        oldest_s=max((each.oldest_s for each in streams if each.oldest_s is not None), default=None),
        retrying=sum(group.retrying for group in groups),
        dead=sum(stream.dead for stream in streams),
        alive=sum(group.alive for group in groups),
        workers=longest[:AT_WORK],
        more_workers=max(0, len(workers) - AT_WORK),
        listeners=listening,
        listening=sum(each.is_alive for each in listening),
    )


ROUTES = (Route(name="overview", path="", show=show, tab="overview"),)
