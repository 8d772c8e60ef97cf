"""Which verb was pressed and which rows were ticked: the form around a list, as it was posted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from ..core.exceptions import ConfigurationError
from ..operations.acting import is_id
from .acts import Act
from .visits import Visit

MOST_IDS = 1_000
"""A page lists far fewer; more are asked for by "all that match"."""
EXAMPLES = 5
_PLACE = re.compile(r"[0-9]{1,20}(-[0-9]{1,20})?")
_INDEX = re.compile(r"[0-9]{1,4}")
"""Among ids that were chosen one by one, a place is a number of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The chosen rows.

    Attributes:
        ids: entry ids; () with `all`.
        all: whatever matches the filter in the address.
        until: no id above this; "" before that has been fixed.
        after: where an act that has left more goes on.
    """

    ids: tuple[str, ...] = ()
    all: bool = False
    until: str = ""
    after: str = ""

    @property
    def is_empty(self) -> bool:
        return not self.ids and not self.all


def choice_of(visit: Visit) -> Choice:
    """Return the rows that were chosen. Raises ConfigurationError for ids that are none."""
    post = visit.request.POST
    until = post.get("until", "")
    if until:
        _check(until)
    after, is_all = post.get("after", ""), post.get("all") == "1"
    if after and not (_PLACE if is_all else _INDEX).fullmatch(after):
        raise ConfigurationError(_("“%(id)s” is no place to go on from.") % {"id": after[:50]})
    if is_all:
        return Choice(all=True, until=until, after=after)
    ids = tuple(dict.fromkeys(post.getlist("id")))
    if len(ids) > MOST_IDS:
        raise ConfigurationError(_("Too many to be chosen one by one: filter them, and choose all that match."))
    for each in ids:
        _check(each)
    return Choice(ids=ids, until=until, after=after)


def _check(entry_id: str) -> None:
    if not (entry_id.isascii() and is_id(entry_id)):
        raise ConfigurationError(_("“%(id)s” is no entry id.") % {"id": entry_id[:50]})


def act_of(visit: Visit, acts: Mapping[str, Act]) -> Act:
    """Return the verb whose button was pressed.

    Raises ConfigurationError for one that there is not, PermissionDenied for one that the user may not do.
    """
    name = visit.request.POST.get("act", "")
    if name not in acts:
        raise ConfigurationError(_("There is no act “%(name)s” here.") % {"name": name})
    if not visit.rights.allow(acts[name].needs):
        raise PermissionDenied
    return acts[name]
