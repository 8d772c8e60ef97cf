"""The dead letters: of all streams in numbers, of one stream as a list, and one of them whole."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from .. import registry
from ..core.exceptions import UnknownTopic
from ..operations import composing, dead, streams
from ..operations.dead import DeadLetter, Match
from ..operations.streams import StreamReport
from ..operations.values import Page
from .dead_acts import ACTS, act
from .dead_export import EXPORT_S, export
from .dead_filter import GONE, REASONS, match_of, query_of
from .routing import Route
from .visits import Visit

COUNT = 50


def show(visit: Visit) -> HttpResponseBase:
    topic = visit.given("stream")
    if not topic:
        return shown_streams(visit, streams.streams(visit.asking, after=visit.given("after")))
    match = match_of(visit)
    page = dead.listing(
        visit.asking, topic, match, after=visit.given("after"), count=COUNT, payloads=visit.rights.payloads
    )
    return shown(visit, topic, match, page)


def shown_streams(visit: Visit, page: Page[StreamReport]) -> HttpResponseBase:
    """Return the page that says how many dead letters each stream has."""
    return visit.page(
        "dead_streams.html",
        _("Dead letters"),
        page=page,
        total=sum(stream.dead for stream in page.items),
        first=visit.url("dead") if visit.given("after") else "",
        further=visit.url("dead", after=page.following) if page.following else "",
    )


def shown(visit: Visit, topic: str, match: Match, page: Page[DeadLetter]) -> HttpResponseBase:
    """Return the list of one stream."""
    query, known = query_of(match), composing.target(visit.bus, topic)
    return visit.page(
        "dead.html",
        visit.about(_("Dead letters of %(stream)s"), topic),
        crumbs=[(_("Dead letters"), visit.url("dead"))],
        topic=topic,
        page=page,
        match=match,
        is_filtered=match != Match(),
        reasons=REASONS,
        groups=_declared_groups(visit.alias, topic),
        types=known.types if known is not None else (),
        acts=_allowed(visit),
        action=visit.url("dead_act", stream=topic, **query),
        bare=visit.url("dead", stream=topic),
        first=visit.url("dead", stream=topic, **query) if visit.given("after") else "",
        further=visit.url("dead", stream=topic, **query, after=page.following) if page.following else "",
        export=visit.url("dead_export", stream=topic, **query) if visit.rights.payloads else "",
    )


def show_one(visit: Visit) -> HttpResponseBase:
    topic, dead_id = visit.needed("stream"), visit.needed("id")
    letter = dead.letter(visit.asking, topic, dead_id, payloads=visit.rights.payloads)
    if letter is None:
        raise UnknownTopic(str(GONE))
    return shown_one(visit, topic, letter)


def shown_one(visit: Visit, topic: str, letter: DeadLetter) -> HttpResponseBase:
    """Return the page of one dead letter."""
    may_edit = visit.rights.operate and visit.rights.payloads
    return visit.page(
        "dead_letter.html",
        _("Dead letter %(id)s") % {"id": letter.dead_id},
        crumbs=[(_("Dead letters"), visit.url("dead")), (topic, visit.url("dead", stream=topic))],
        topic=topic,
        letter=letter,
        reason=REASONS.get(letter.reason, letter.reason),
        acts=_allowed(visit),
        action=visit.url("dead_act", stream=topic),
        edit=visit.url("dead_edit", stream=topic, id=letter.dead_id) if may_edit else "",
    )


def _declared_groups(alias: str, topic: str) -> list[str]:
    """Return the groups that this project's handlers of a stream are in."""
    stream = registry.find_stream(alias, topic)
    return sorted({each.group for each in registry.handlers(alias) if stream and each.stream == stream.name})


def _allowed(visit: Visit) -> list[object]:
    return [each for each in ACTS.values() if visit.rights.allow(each.needs)]


ROUTES = (
    Route(name="dead", path="", show=show, tab="dead"),
    Route(name="dead_letter", path="letter/", show=show_one, tab="dead"),
    Route(name="dead_act", path="act/", show=act, methods=("POST",), tab="dead"),
    Route(
        name="dead_export",
        path="export/",
        show=export,
        needs="payloads",
        methods=("POST",),
        tab="dead",
        act_s=EXPORT_S,
    ),
)
