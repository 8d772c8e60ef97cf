"""What can be done to pending entries: try again, hand over, give up, settle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import DELETION
from django.http import HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from ..core.telling import printable
from ..models import StreamPage
from ..operations import pausing, pending, streams
from ..operations.asking import ACT_S, Asking
from ..operations.bounds import newest_read
from ..operations.pending import OPERATOR, Chosen, Match
from ..operations.values import Acted, Count
from .acts import CONFIRMED, Act, Intent, conduct
from .audit import filter_of
from .choosing import EXAMPLES, act_of, choice_of
from .pending_filter import match_of, query_of
from .visits import Visit
from .whereabouts import filter_fact, whereabouts

RETRY = Act(
    name="retry",
    needs="operate",
    button=gettext_lazy("Retry now"),
    question=ngettext_lazy("Retry %(shown)s pending entry now?", "Retry %(shown)s pending entries now?", "count"),
    done=ngettext_lazy("%(shown)s entry is tried again now.", "%(shown)s entries are tried again now.", "count"),
    happens=gettext_lazy("They are due at once, for any consumer of the group, as the attempt that they waited for."),
    spares=gettext_lazy("What runs just now is left alone. No other group sees anything of it."),
)
_RETRY_PAUSED = replace(
    RETRY,
    done=ngettext_lazy(
        "%(shown)s entry is due now. The group is paused: it is tried once the group is resumed.",
        "%(shown)s entries are due now. The group is paused: they are tried once the group is resumed.",
        "count",
    ),
)
CLAIM = Act(
    name="claim",
    needs="operate",
    button=gettext_lazy("Claim"),
    question=ngettext_lazy(
        "Hand %(shown)s pending entry to another consumer?",
        "Hand %(shown)s pending entries to another consumer?",
        "count",
    ),
    done=ngettext_lazy("%(shown)s entry has a new owner.", "%(shown)s entries have a new owner.", "count"),
    happens=gettext_lazy("The consumer that you choose becomes their owner."),
    spares=gettext_lazy("What waits for a retry goes on waiting for it. What runs just now is left alone."),
)
BURY = Act(
    name="bury",
    needs="operate",
    button=gettext_lazy("Dead-letter"),
    question=ngettext_lazy(
        "Move %(shown)s pending entry to the dead letters?",
        "Move %(shown)s pending entries to the dead letters?",
        "count",
    ),
    done=ngettext_lazy("%(shown)s entry is a dead letter now.", "%(shown)s entries are dead letters now.", "count"),
    happens=gettext_lazy("This group tries them no more. They are kept whole and can be redriven."),
    spares=gettext_lazy("What runs just now is left alone. Other groups handle them as ever."),
)
ACK = Act(
    name="ack",
    needs="destroy",
    button=gettext_lazy("Discard"),
    question=ngettext_lazy("Discard %(shown)s pending entry?", "Discard %(shown)s pending entries?", "count"),
    done=ngettext_lazy("%(shown)s entry is settled.", "%(shown)s entries are settled.", "count"),
    happens=gettext_lazy(
        "They are acknowledged as if they had been handled. This group will never handle them; that cannot be undone."
    ),
    spares=gettext_lazy("The entries stay in the stream, and other groups handle them as ever."),
    flag=DELETION,
)
ACTS = {each.name: each for each in (RETRY, CLAIM, BURY, ACK)}


class ClaimForm(forms.Form):
    """Who is to be the owner."""

    to = forms.ChoiceField(label=gettext_lazy("New owner"))

    def __init__(self, consumers: list[tuple[str, str]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["to"].choices = consumers  # type: ignore[attr-defined]


class BuryForm(forms.Form):
    """Why they are given up."""

    why = forms.CharField(
        label=gettext_lazy("Reason"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("It is kept with the dead letters, and in the log."),
    )


def act(visit: Visit) -> HttpResponseBase:
    topic, group = visit.needed("stream"), visit.needed("group")
    match, chosen_act, choice = match_of(visit), act_of(visit, ACTS), choice_of(visit)
    back = visit.url("pending", stream=topic, group=group, **query_of(match))
    if choice.is_empty:
        messages.warning(visit.request, _("Nothing was done: no entry was chosen."))
        return HttpResponseRedirect(back)
    match = replace(match, until=choice.until or (newest_read(visit.asking, topic, group) if choice.all else ""))
    chosen: Chosen = match if choice.all else choice.ids
    here = whereabouts(visit, topic, group)
    if chosen_act is RETRY and _is_paused(visit, topic, group):
        chosen_act = _RETRY_PAUSED
    one = [(_("Entry"), choice.ids[0])] if len(choice.ids) == 1 else []
    intent = Intent(
        act=chosen_act,
        facts=[*here.facts, *one, *([filter_fact(query_of(match))] if choice.all else [])],
        about=here.about,
        how=filter_of(query_of(match) | {"until": match.until}) if choice.all else f"ids {', '.join(choice.ids)}",
        model=StreamPage,
        count=partial(_count, visit, topic, group, chosen),
        perform=_verb(visit, chosen_act, topic, group, chosen, choice.after),
        back=back,
        place=_("Pending"),
        form=_form(visit, chosen_act, topic, group),
        pinned=[("until", match.until)] if choice.all else (),
        examples=[] if one else choice.ids[:EXAMPLES],
    )
    return conduct(visit, intent)


def _is_paused(visit: Visit, topic: str, group: str) -> bool:
    return any(each.group == group and not each.handler for each in pausing.pauses(visit.asking, topic))


def _count(visit: Visit, topic: str, group: str, chosen: Chosen) -> Count:
    if isinstance(chosen, Match):
        return pending.count(visit.asking, topic, group, chosen, payloads=visit.rights.payloads)
    return Count(len(chosen))


def _verb(
    visit: Visit, chosen_act: Act, topic: str, group: str, chosen: Chosen, after: str
) -> Callable[[dict[str, Any]], Acted]:
    payloads, by = visit.rights.payloads, printable(visit.request.user.get_username())

    def perform(given: dict[str, Any]) -> Acted:
        asking = Asking(visit.bus, ACT_S)
        match chosen_act.name:
            case "retry":
                return pending.retry(asking, topic, group, chosen, payloads=payloads, after=after)
            case "claim":
                return pending.claim(asking, topic, group, chosen, to=given["to"], payloads=payloads, after=after)
            case "bury":
                return pending.bury(
                    asking, topic, group, chosen, by=by, why=given["why"], payloads=payloads, after=after
                )
            case _:
                return pending.ack(asking, topic, group, chosen, payloads=payloads, after=after)

    return perform


def _form(visit: Visit, chosen_act: Act, topic: str, group: str) -> forms.Form | None:
    data = visit.request.POST if CONFIRMED in visit.request.POST else None
    if chosen_act is BURY:
        return BuryForm(data)
    if chosen_act is not CLAIM:
        return None
    report = streams.stream(visit.asking, topic, group)
    found = next((each for each in report.groups if each.name == group), None)
    # What is redriven waits under a name that no consumer has.
    able = [each for each in found.consumers if each.name != OPERATOR] if found else []
    consumers = sorted(able, key=lambda each: (not each.is_alive, each.name))
    alive = {True: _("alive"), False: _("not alive")}
    return ClaimForm([(each.name, f"{printable(each.name)} ({alive[each.is_alive]})") for each in consumers], data)
