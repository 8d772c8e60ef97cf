"""The entries of a stream: a page of them, forwards or backwards, and one of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from ..consuming import LAST_SEQUENCE
from ..core.exceptions import ConfigurationError, UnknownTopic
from ..operations import entries
from ..operations.showing import Shown
from ..operations.values import Page
from .routing import Route
from .visits import Visit

TAIL_S = 2.0
"""So often the newest entries are asked for again."""
COUNT = 50
LAST = int(LAST_SEQUENCE)
Direction: TypeAlias = Literal["older", "newer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the form of the page asks for."""

    topic: str
    direction: Direction
    start: str
    at: str
    type: str
    key: str
    text: str
    is_live: bool

    @property
    def is_filtered(self) -> bool:
        return bool(self.type or self.key or self.text)


def show(visit: Visit) -> TemplateResponse:
    wanted = _wanted(visit)
    page = entries.browse(
        visit.asking,
        wanted.topic,
        start="" if wanted.is_live else wanted.start or _place(wanted.at),
        direction=wanted.direction,
        count=COUNT,
        type=wanted.type,
        key=wanted.key,
        text=wanted.text,
        payloads=visit.rights.payloads,
    )
    return shown(visit, wanted, page)


def _wanted(visit: Visit) -> Wanted:
    is_live = visit.given("live") == "1"
    return Wanted(
        topic=visit.needed("stream"),
        direction="newer" if visit.given("direction") == "newer" and not is_live else "older",
        start=visit.given("start").strip(),
        at=visit.given("at").strip(),
        type=visit.given("type").strip(),
        key=visit.given("key").strip(),
        text=visit.given("text").strip(),
        is_live=is_live,
    )


def _place(at: str) -> str:
    """Return a time of a form as entries are asked for it: with its zone, the user's where it names none."""
    if not at:
        return ""
    try:
        moment = parse_datetime(at)
        if moment is not None:
            return _utc(timezone.make_aware(moment) if timezone.is_naive(moment) else moment)
    except (ValueError, OverflowError):  # no time, or one that is beyond the calendar in another zone
        pass
    raise ConfigurationError(_("“%(at)s” is no time: write it as 2026-11-22T08:00.") % {"at": at[:50]})


def _utc(moment: datetime) -> str:
    return moment.astimezone(timezone.get_fixed_timezone(0)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def shown(visit: Visit, wanted: Wanted, page: Page[Shown]) -> TemplateResponse:
    """Return a page of entries. The newest is always the uppermost."""
    items = page.items if wanted.direction == "older" else page.items[::-1]
    links = _links(visit, wanted, page)
    return visit.page(
        "entries.html",
        visit.about(_("Live tail of %(stream)s") if wanted.is_live else _("Entries of %(stream)s"), wanted.topic),
        crumbs=[
            (_("Streams"), visit.url("streams")),
            (wanted.topic, visit.url("stream", stream=wanted.topic)),
        ],
        refresh_s=TAIL_S if wanted.is_live else None,
        wanted=wanted,
        page=page,
        items=items,
        links=links,
        further=links[wanted.direction],
    )


def _links(visit: Visit, wanted: Wanted, page: Page[Shown]) -> dict[str, str]:
    """Return where "older" and "newer" lead; "" where there is nothing, or where the page is live."""
    links = {"older": "", "newer": ""}
    if wanted.is_live:
        return links
    back: Direction = "newer" if wanted.direction == "older" else "older"
    if page.following is not None:
        links[wanted.direction] = _link(visit, wanted, page.following, wanted.direction)
    if wanted.start or wanted.at:  # else it began at the end
        links[back] = _link(visit, wanted, _beside(page.items[0].entry_id, back) if page.items else "", back)
    return links


def _link(visit: Visit, wanted: Wanted, start: str, direction: Direction) -> str:
    filters = {"type": wanted.type, "key": wanted.key, "text": wanted.text}
    return visit.url("entries", stream=wanted.topic, start=start, direction=direction, **filters)


def _beside(entry_id: str, direction: Direction) -> str:
    """Return the id next to an entry's: a page begins with the id it is given."""
    ms, sequence = map(int, entry_id.split("-"))
    if direction == "newer":
        return f"{ms}-{sequence + 1}" if sequence < LAST else f"{ms + 1}-0"
    if sequence:
        return f"{ms}-{sequence - 1}"
    return f"{ms - 1}-{LAST}" if ms else "0-0"


def show_one(visit: Visit) -> TemplateResponse:
    topic, entry_id = visit.needed("stream"), visit.needed("id")
    found = entries.entry(visit.asking, topic, entry_id, payloads=visit.rights.payloads)
    if found is None:
        problem = _("Stream “%(topic)s” has no entry %(id)s, or no longer: it may have been trimmed away.")
        raise UnknownTopic(problem % {"topic": topic, "id": entry_id})
    return shown_one(visit, topic, found)


def shown_one(visit: Visit, topic: str, entry: Shown) -> TemplateResponse:
    """Return the page of one entry."""
    return visit.page(
        "entry.html",
        entry.entry_id,
        crumbs=[
            (_("Streams"), visit.url("streams")),
            (topic, visit.url("stream", stream=topic)),
            (_("Entries"), visit.url("entries", stream=topic, start=entry.entry_id)),
        ],
        topic=topic,
        entry=entry,
    )


ROUTES = (
    Route(name="entries", path="entries/", show=show, tab="streams"),
    Route(name="entry", path="entry/", show=show_one, tab="streams"),
)
