"""A group gets again what it has had: asked for with a dry run, watched, cancelled."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from ..core.exceptions import ConfigurationError
from ..core.telling import printable
from ..models import StreamPage
from ..operations import replaying
from ..operations.asking import ACT_S, Asking
from ..operations.replaying import Plan, Replay
from ..operations.values import Acted, Count
from .acts import Act, Intent, conduct
from .choosing import act_of, choice_of
from .routing import Route
from .visits import Visit
from .whereabouts import whereabouts

REFRESH_S = 2.0

START = Act(
    name="replay",
    needs="operate",
    button=gettext_lazy("Replay"),
    question=ngettext_lazy("Replay %(shown)s entry?", "Replay %(shown)s entries?", "count"),
    done=ngettext_lazy("The replay of %(shown)s entry begins.", "The replay of %(shown)s entries begins.", "count"),
    happens=gettext_lazy("The consumers of this group handle them once more, each by its handlers as they are now."),
    spares=gettext_lazy(
        "No other group sees anything of it. What is pending is passed over. What came after this dry run is not part "
        "of it, and comes to the group anyway."
    ),
    said="begun",
)
CANCEL = Act(
    name="cancel",
    needs="operate",
    button=gettext_lazy("Cancel the replay"),
    question=gettext_lazy("Cancel the replay of %(subject)s?"),
    done=gettext_lazy("The replay is cancelled."),
    happens=gettext_lazy("It ends where it is."),
    spares=gettext_lazy("What it has handed to the group stays there and is handled."),
)
NOT_CONSUMED = gettext_lazy("No consumer of this group is alive: nothing moves until one is.")
ACTS = {each.name: each for each in (START, CANCEL)}


class ReplayForm(forms.Form):
    """From where, and how fast."""

    whence = forms.ChoiceField(
        label=gettext_lazy("From"),
        choices=[
            ("time", gettext_lazy("a time")),
            ("id", gettext_lazy("an entry id")),
            ("all", gettext_lazy("the first entry that is there")),
        ],
        initial="time",
        widget=forms.RadioSelect,
    )
    at = forms.DateTimeField(
        label=gettext_lazy("Time"),
        required=False,
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M:%S", attrs={"type": "datetime-local", "step": "1"}),
    )
    entry_id = forms.CharField(
        label=gettext_lazy("Entry id"),
        required=False,
        max_length=50,
        help_text=gettext_lazy("As in the list of entries: 1763798400000-0. It is replayed itself."),
    )
    per_s = forms.FloatField(
        label=gettext_lazy("Entries per second, at most"),
        required=False,
        min_value=0.01,
        max_value=999_999,
        help_text=gettext_lazy("Empty: as fast as the group takes them."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zone = {"zone": timezone.get_current_timezone_name()}
        self.fields["at"].help_text = _("In the time zone %(zone)s.") % zone

    @property
    def since(self) -> str:
        """The beginning, as operations take it; once the form is valid."""
        given = self.cleaned_data
        if given["whence"] == "all":
            return "all"
        return str(given["entry_id"]) if given["whence"] == "id" else str(given["at"].isoformat())

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        needed = {"time": "at", "id": "entry_id"}.get(given.get("whence", ""))
        if needed and not given.get(needed) and needed not in self.errors:
            self.add_error(needed, _("Say from where."))
        return given


def show(visit: Visit) -> HttpResponseBase:
    topic, group = visit.needed("stream"), visit.needed("group")
    found = replaying.replay(visit.asking, topic, group)
    if visit.request.method != "POST":
        return shown(visit, topic, group, found, ReplayForm())
    chosen_act = act_of(visit, ACTS)
    if chosen_act is CANCEL:
        return _cancel(visit, topic, group, found)
    form = ReplayForm(visit.request.POST)
    if not form.is_valid():
        return shown(visit, topic, group, found, form)
    try:
        # What the operator was shown is what is replayed, whatever the group has read since.
        plan = replaying.plan(visit.asking, topic, group, form.since, until=choice_of(visit).until)
    except ConfigurationError as error:
        form.add_error("entry_id" if form.cleaned_data["whence"] == "id" else None, printable(str(error)))
        return shown(visit, topic, group, found, form)
    return _start(visit, topic, plan, form)


def shown(visit: Visit, topic: str, group: str, found: Replay | None, form: ReplayForm) -> HttpResponseBase:
    """Return the page: how far a replay is, or the form for one."""
    under_way = found is not None and not found.is_over
    return visit.page(
        "replay.html",
        visit.about(_("Replay of %(stream)s, group %(group)s"), topic, group),
        crumbs=[(_("Streams"), visit.url("streams")), (topic, visit.url("stream", stream=topic))],
        refresh_s=REFRESH_S if under_way else None,
        topic=topic,
        group=group,
        replay=found,
        under_way=under_way,
        stands_still=str(NOT_CONSUMED) if found is not None and under_way and not found.is_consumed else "",
        gone_by=found.done + found.passed if found else 0,
        form=form,
        start=START,
        cancel=CANCEL,
        may=visit.rights.operate,
        action=visit.url("replay", stream=topic, group=group),
    )


def _start(visit: Visit, topic: str, plan: Plan, form: ReplayForm) -> HttpResponseBase:
    per_s, by = form.cleaned_data["per_s"], printable(visit.request.user.get_username())
    speed = (
        _("%(rate)g entries per second at most") % {"rate": per_s} if per_s else _("as fast as the group takes them")
    )
    remembered = [(_("Pass over what they remember"), ", ".join(plan.remembered))]

    here = whereabouts(visit, topic, plan.group)

    def perform(given: dict[str, Any]) -> Acted:
        replaying.start(Asking(visit.bus, ACT_S), topic, plan, per_s=per_s, by=by)
        return Acted(done=plan.count.number)

    intent = Intent(
        act=START,
        facts=[
            *here.facts,
            (_("From entry"), plan.since),
            (_("To entry"), plan.until),
            (_("Speed"), speed),
            *(remembered if plan.remembered else []),
        ],
        about=here.about,
        how=f"since={plan.since} until={plan.until} per_s={per_s or 'any'}",
        model=StreamPage,
        count=lambda: plan.count,
        perform=perform,
        back=visit.url("replay", stream=topic, group=plan.group),
        place=_("Replay"),
        pinned=[("until", plan.until)],
        warning="" if plan.is_consumed else str(NOT_CONSUMED),
        nothing=_("There is nothing to replay: the group has read no entry that is still in the stream from there on."),
    )
    return conduct(visit, intent)


def _cancel(visit: Visit, topic: str, group: str, found: Replay | None) -> HttpResponseBase:
    def perform(given: dict[str, Any]) -> Acted:
        return Acted(done=int(replaying.cancel(Asking(visit.bus, ACT_S), topic, group)))

    here = whereabouts(visit, topic, group)
    done = f"{found.done:,} / {found.total}" if found else ""
    intent = Intent(
        act=CANCEL,
        subject=_("group “%(name)s”") % {"name": group},
        facts=[*here.facts, (_("Handed to the group so far"), done)],
        about=here.about,
        how=f"at {found.at or found.since}" if found else "",
        model=StreamPage,
        count=lambda: Count(int(found is not None)),
        perform=perform,
        back=visit.url("replay", stream=topic, group=group),
        place=_("Replay"),
        nothing=_("There is no replay any more."),
    )
    return conduct(visit, intent)


ROUTES = (Route(name="replay", path="replay/", show=show, methods=("GET", "POST"), tab="streams"),)
