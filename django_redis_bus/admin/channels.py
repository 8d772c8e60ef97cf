"""The channels: who listens, who is there, and what is said just now."""

from __future__ import annotations

from collections.abc import Sequence

from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from ..operations import channels
from ..operations.channels import ChannelReport, ChannelsReport, Heard
from .routing import Route
from .visits import Visit

REFRESH_S = 5.0
HEAR_S = 5.0
"""So long a page listens."""
AGAIN_S = 0.5
"""Between two times of listening, with JavaScript."""


def show_all(visit: Visit) -> TemplateResponse:
    return shown_all(visit, channels.channels(visit.asking))


def shown_all(visit: Visit, report: ChannelsReport) -> TemplateResponse:
    """Return the page of all channels."""
    return visit.page("channels.html", _("Channels"), refresh_s=REFRESH_S, report=report)


def show(visit: Visit) -> TemplateResponse:
    return shown(visit, channels.channel(visit.asking, visit.needed("channel")))


def shown(visit: Visit, report: ChannelReport) -> TemplateResponse:
    """Return the page of one channel."""
    return visit.page(
        "channel.html",
        report.topic,
        crumbs=[(_("Channels"), visit.url("channels"))],
        refresh_s=REFRESH_S,
        channel=report,
        hear_s=HEAR_S,
    )


def hear(visit: Visit) -> TemplateResponse:
    topic = visit.needed("channel")
    return heard(visit, topic, channels.hear(visit.asking, [topic], seconds=HEAR_S, payloads=True))


def heard(visit: Visit, topic: str, messages: Sequence[Heard]) -> TemplateResponse:
    """Return the page of what was heard, the newest first."""
    return visit.page(
        "heard.html",
        _("Listening"),
        crumbs=[(_("Channels"), visit.url("channels")), (topic, visit.url("channel", channel=topic))],
        refresh_s=AGAIN_S,
        topic=topic,
        said=messages[::-1],
        hear_s=HEAR_S,
    )


ROUTES = (
    Route(name="channels", path="", show=show_all, tab="channels"),
    Route(name="channel", path="channel/", show=show, tab="channels"),
    Route(name="hear", path="hear/", show=hear, needs="payloads", tab="channels", within_s=HEAR_S + 1.5),
)
