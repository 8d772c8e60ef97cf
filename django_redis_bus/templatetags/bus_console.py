"""How the console writes numbers, durations, moments and whatever came over the wire."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from django import template
from django.template.defaultfilters import filesizeformat
from django.urls import NoReverseMatch
from django.utils.formats import date_format, number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import get_language_bidi, ngettext
from django.utils.translation import gettext as _

from ..core.telling import printable

register = template.Library()

CAP_CHARS = 200
"""A name longer than this is cut in a page; its address has all of it."""
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@register.simple_tag(takes_context=True)
def bus_url(context: template.Context, name: str, **query: object) -> str:
    """Return the address of a console page about the same bus; "" where the site does not have that page."""
    try:
        return str(context["visit"].url(name, **query))
    except NoReverseMatch:
        return ""


@register.simple_tag
def bus_when(at: datetime | None) -> SafeString:
    """Return a moment in the user's time zone, to the second; its ISO form for machines and for who points at it."""
    if at is None:
        return SafeString("–")
    local = localtime(at)
    shown = f"{date_format(local, 'SHORT_DATE_FORMAT')} {local:%H:%M:%S}"
    return format_html('<time datetime="{0}" title="{0}">{1}</time>', local.isoformat(timespec="milliseconds"), shown)


@register.filter
def wire(text: object, most: int = CAP_CHARS) -> str:
    """Return text from the wire without control characters and marks that turn the direction around, and capped."""
    shown = printable(str(text)[: most + 1])
    return f"{shown[:most]}…" if len(shown) > most else shown


@register.filter
def breaking(text: str) -> SafeString:
    """Return a name that breaks after its separators before it breaks anywhere else: `order.<wbr>made`."""
    parts = re.split(r"(?<=[.:_/-])(?=[^.:_/-])", text)
    return format_html_join(SafeString("<wbr>"), "{}", ((part,) for part in parts))


@register.filter
def number(value: Any) -> str:
    """Return a number, or a Count, as the user's language writes it: 1,234 or ≥ 1,000."""
    if value is None or value == "":
        return "–"
    counted, at_least = (value.number, value.at_least) if hasattr(value, "at_least") else (value, False)
    written = number_format(counted, use_l10n=True, force_grouping=True)
    # Isolated from its surroundings: a right-to-left page would turn it into its contrary.
    return f"\u2066≥ {written}\u2069" if at_least else written


@register.filter
def duration(seconds: float | None) -> str:
    """Return seconds in the two greatest units: < 1 ms, 340 ms, 12 s, 3 min 12 s, 2 d 4 h."""
    if seconds is None:
        return "–"
    if seconds < 0:
        seconds = 0.0
    if 0 < seconds < 0.0005:
        return _together(_("< 1 ms"))
    if seconds < 0.9995:
        return _together(_("%(count)s ms") % {"count": round(seconds * 1000)})
    left = round(seconds)
    parts = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(_unit(unit, count))
        elif parts:
            break
        if len(parts) == 2:
            break
    return _together(" ".join(parts))


@register.filter
def ago(seconds: float | None) -> str:
    """Return how long ago something was: "just now", "12 s ago"."""
    if seconds is None:
        return "–"
    return _("just now") if seconds < 1 else _("%(age)s ago") % {"age": duration(seconds)}


def _unit(unit: str, count: int) -> str:
    written = number_format(count, use_l10n=True, force_grouping=True)
    # Translators: abbreviated units of time; %(count)s is a number.
    texts = {"d": _("%(count)s d"), "h": _("%(count)s h"), "min": _("%(count)s min"), "s": _("%(count)s s")}
    return texts[unit] % {"count": written}


def _together(text: str) -> str:
    """Return a text that keeps its order in a right-to-left page, also where its units are in Latin letters."""
    return f"\u2068{text}\u2069" if get_language_bidi() else text


@register.filter
def rate(per_s: float | None) -> str:
    """Return how often something happens, per second, minute or hour, whichever gives a number to read."""
    if per_s is None:
        return "–"
    if per_s >= 1 or not per_s:
        return _together(_("%(count)s/s") % {"count": _short(per_s)})
    if per_s * 60 >= 1:
        return _together(_("%(count)s/min") % {"count": _short(per_s * 60)})
    return _together(_("%(count)s/h") % {"count": _short(per_s * 3600)})


@register.filter
def size(number_of_bytes: int | None) -> str:
    """Return a number of bytes in its unit: 1.5 MB."""
    return "–" if number_of_bytes is None else _together(filesizeformat(number_of_bytes))


def _short(value: float) -> str:
    return number_format(
        value, decimal_pos=0 if value >= 10 or value == int(value) else 1, use_l10n=True, force_grouping=True
    )


@register.filter
def moment(unix_ms: int | None) -> datetime | None:
    """Return milliseconds since 1970 as a moment, which templates show in the user's time zone."""
    if unix_ms is None:
        return None
    try:
        return datetime.fromtimestamp(unix_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


@register.filter
def id_moment(entry_id: str) -> datetime | None:
    """Return when an entry was added, by its id; None for an id that is no moment."""
    ms = entry_id.partition("-")[0]
    return moment(int(ms)) if ms.isascii() and ms.isdigit() and len(ms) <= 15 and int(ms) else None


@register.filter
def events(count: Any) -> str:
    """Return a number of events in words: "1 event", "≥ 1,000 events"."""
    plain = count.number if hasattr(count, "number") else count
    return ngettext("%(count)s event", "%(count)s events", plain) % {"count": number(count)}


@register.filter
def oneline(text: str) -> str:
    """Return the beginning of a payload as one line."""
    return wire(" ".join(text[:600].split()), 160)


@register.filter
def plainly(value: Any) -> str:
    """Return a plain value as JSON that is safe to show, capped."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        text = repr(value)
    return wire(text, 400)
