"""What can be done to dead letters: hand them to their group again, or throw them away."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import DELETION
from django.http import HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from ..models import DeadLetterPage
from ..operations import dead
from ..operations.asking import ACT_S, Asking
from ..operations.bounds import newest_dead
from ..operations.dead import Chosen, DeadLetter, Match
from ..operations.values import Acted, Count
from .acts import Act, Intent, conduct
from .audit import filter_of
from .choosing import EXAMPLES, act_of, choice_of
from .dead_filter import match_of, query_of
from .visits import Visit
from .whereabouts import filter_fact, whereabouts
from .wording import linked

REDRIVE = Act(
    name="redrive",
    needs="operate",
    button=gettext_lazy("Redrive"),
    question=ngettext_lazy("Redrive %(shown)s dead letter?", "Redrive %(shown)s dead letters?", "count"),
    done=ngettext_lazy(
        "%(shown)s dead letter is with its group again.",
        "%(shown)s dead letters are with their groups again.",
        "count",
    ),
    happens=gettext_lazy(
        "Each goes back to the group that gave it up, with its attempts counted anew. Fix the cause first."
    ),
    spares=gettext_lazy("Other groups do not see them again."),
)
DISCARD = Act(
    name="discard",
    needs="destroy",
    button=gettext_lazy("Discard"),
    question=ngettext_lazy("Discard %(shown)s dead letter?", "Discard %(shown)s dead letters?", "count"),
    done=ngettext_lazy("%(shown)s dead letter is discarded.", "%(shown)s dead letters are discarded.", "count"),
    happens=gettext_lazy(
        "They are thrown away for good, with their errors and tracebacks. Export them first if you may need them."
    ),
    spares=gettext_lazy("Entries that are still in the stream stay there. Other groups are not concerned."),
    flag=DELETION,
)
ACTS = {each.name: each for each in (REDRIVE, DISCARD)}


def act(visit: Visit) -> HttpResponseBase:
    topic = visit.needed("stream")
    match, chosen_act, choice = match_of(visit), act_of(visit, ACTS), choice_of(visit)
    back = visit.url("dead", stream=topic, **query_of(match))
    if choice.is_empty:
        messages.warning(visit.request, _("Nothing was done: no dead letter was chosen."))
        return HttpResponseRedirect(back)
    match = replace(match, until=choice.until or (newest_dead(visit.asking, topic) if choice.all else ""))
    chosen: Chosen = match if choice.all else choice.ids
    letter = None
    if len(choice.ids) == 1:
        letter = dead.letter(visit.asking, topic, choice.ids[0], payloads=visit.rights.payloads)
    group = letter.group if letter else match.group if choice.all else ""
    here = whereabouts(visit, topic, group)
    more = [filter_fact(query_of(match))] if choice.all else _told(letter) if letter else []
    intent = Intent(
        act=chosen_act,
        facts=[*here.facts, *more],
        about=here.about,
        how=filter_of(query_of(match) | {"until": match.until}) if choice.all else f"ids {', '.join(choice.ids)}",
        model=DeadLetterPage,
        count=partial(_count, visit, topic, chosen),
        perform=partial(_perform, visit, chosen_act.name, topic, chosen, choice.after),
        back=back,
        place=_("Dead letters"),
        pinned=[("until", match.until)] if choice.all else (),
        examples=[] if letter else choice.ids[:EXAMPLES],
        then=_then(visit, topic, group) if chosen_act is REDRIVE else "",
    )
    return conduct(visit, intent)


def _told(letter: DeadLetter) -> list[tuple[str, str]]:
    facts = [
        (_("Event type"), letter.shown.type),
        (_("Key"), letter.shown.key or ""),
        (_("Dead letter"), letter.dead_id),
    ]
    return [(label, value) for label, value in facts if value]


def _then(visit: Visit, topic: str, group: str) -> str:
    text = _("Pending of %(stream)s, group %(group)s") if group else _("Pending of %(stream)s")
    return linked(
        _("%(link)s shows how they fare. What fails again comes back here, as long as its cause is not mended."),
        visit.url("pending", stream=topic, group=group),
        visit.about(text, topic, group),
    )


def _count(visit: Visit, topic: str, chosen: Chosen) -> Count:
    if isinstance(chosen, Match):
        return dead.count(visit.asking, topic, chosen, payloads=visit.rights.payloads)
    return Count(len(chosen))


def _perform(visit: Visit, name: str, topic: str, chosen: Chosen, after: str, given: dict[str, Any]) -> Acted:
    verb = dead.redrive if name == "redrive" else dead.discard
    return verb(Asking(visit.bus, ACT_S), topic, chosen, payloads=visit.rights.payloads, after=after)
