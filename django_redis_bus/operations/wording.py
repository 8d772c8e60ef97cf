"""Numbers and spans of time inside the sentences of operations, in the language that is active."""

from __future__ import annotations

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .values import Count

MANY = 2
"""A number that takes the plural, whatever the number behind it: "at least one" is not one."""


def number_text(number: float) -> str:
    """Return a number as the language groups its digits: 1,234."""
    return number_format(number, use_l10n=True, force_grouping=True)


def count_text(count: Count) -> str:
    """Return a Count: 1,234 or ≥ 10,000."""
    return f"≥ {number_text(count.number)}" if count.at_least else number_text(count.number)


def plural_of(count: Count) -> int:
    """Return the number by which a sentence about a Count has its plural."""
    return MANY if count.at_least else count.number


def percent_text(share: float) -> str:
    """Return a share of 1 as "93%"."""
    return _("%(number)s%%") % {"number": number_text(round(share * 100))}


def span_text(seconds: float) -> str:
    """Return a span of time in the greatest unit of which it has two: "47 hours", "90 s"."""
    whole = round(seconds)
    if seconds >= 2 * 86_400:
        whole = round(seconds / 86_400)
        text = ngettext("%(count)s day", "%(count)s days", whole)
    elif seconds >= 2 * 3_600:
        whole = round(seconds / 3_600)
        text = ngettext("%(count)s hour", "%(count)s hours", whole)
    elif seconds >= 2 * 60:
        whole = round(seconds / 60)
        text = ngettext("%(count)s minute", "%(count)s minutes", whole)
    else:
        text = _("%(count)s s")
    return text % {"count": number_text(whole)}
