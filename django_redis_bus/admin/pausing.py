"""Groups and handlers told to take nothing for a while, and told to go on."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..core.exceptions import ConfigurationError
from ..core.telling import printable
from ..models import StreamPage
from ..operations import pausing, streams
from ..operations.asking import ACT_S, Asking
from ..operations.pausing import WHY_CHARS
from ..operations.streams import GroupReport
from ..operations.values import Acted, Count
from .acts import CONFIRMED, Act, Intent, conduct
from .choosing import act_of
from .routing import Route
from .visits import Visit
from .whereabouts import whereabouts
from .wording import number_text

PAUSE = Act(
    name="pause",
    needs="operate",
    button=gettext_lazy("Pause"),
    question=gettext_lazy("Pause %(subject)s?"),
    done=gettext_lazy("Told to pause: %(subject)s. Its consumers obey within a second."),
    happens=gettext_lazy("What runs is finished; then nothing more is taken, until somebody resumes it."),
    spares=gettext_lazy("No event is lost and no attempt is counted. Other groups go on."),
)
RESUME = Act(
    name="resume",
    needs="operate",
    button=gettext_lazy("Resume"),
    question=gettext_lazy("Resume %(subject)s?"),
    done=gettext_lazy("Goes on: %(subject)s."),
    happens=gettext_lazy("Its consumers take events again within a second. What was put aside is due at once."),
    spares=gettext_lazy("Other groups, and handlers that are paused for themselves, are not concerned."),
)
ACTS = {each.name: each for each in (PAUSE, RESUME)}


class WhyForm(forms.Form):
    """Why it is paused."""

    why = forms.CharField(
        label=gettext_lazy("Reason"),
        required=False,
        max_length=WHY_CHARS,
        help_text=gettext_lazy("Shown to everybody who looks at the group."),
    )


def show(visit: Visit) -> HttpResponseBase:
    topic, name = visit.needed("stream"), visit.needed("group")
    report = streams.stream(visit.asking, topic, name)
    group = next((each for each in report.groups if each.name == name), None)
    if group is None:
        raise ConfigurationError(_("Stream “%(stream)s” has no group “%(group)s”.") % {"stream": topic, "group": name})
    if visit.request.method == "POST":
        return _act(visit, topic, group)
    return shown(visit, topic, group)


def shown(visit: Visit, topic: str, group: GroupReport) -> HttpResponseBase:
    """Return the page of what is paused of a group."""
    return visit.page(
        "pause.html",
        visit.about(_("Pause and resume %(stream)s, group %(group)s"), topic, group.name),
        crumbs=[(_("Streams"), visit.url("streams")), (topic, visit.url("stream", stream=topic))],
        topic=topic,
        group=group,
        pause=PAUSE,
        resume=RESUME,
        may=visit.rights.operate,
        wanted=visit.given("handler"),
        action=visit.url("pause", stream=topic, group=group.name),
    )


def _act(visit: Visit, topic: str, group: GroupReport) -> HttpResponseBase:
    request = visit.request
    chosen_act, handler = act_of(visit, ACTS), request.POST.get("handler", "")
    if handler and handler not in {each.name for each in group.handlers}:
        raise ConfigurationError(
            _("Group “%(group)s” has no handler “%(handler)s”.") % {"group": group.name, "handler": handler}
        )
    form = WhyForm(request.POST if CONFIRMED in request.POST else None) if chosen_act is PAUSE else None
    by = printable(request.user.get_username())

    def perform(given: dict[str, Any]) -> Acted:
        asking = Asking(visit.bus, ACT_S)
        if chosen_act is PAUSE:
            pausing.pause(asking, topic, group.name, handler, by=by, why=given["why"])
            return Acted(done=1)
        return Acted(done=int(pausing.resume(asking, topic, group.name, handler)))

    only = [(_("Handler"), handler)] if handler else [(_("Handlers"), number_text(len(group.handlers)))]
    here = whereabouts(visit, topic, group.name)
    why = (request.POST.get("why") or "")[:WHY_CHARS]
    intent = Intent(
        act=chosen_act,
        facts=[
            *here.facts,
            *only,
            (_("Events that it has not settled"), str(group.behind)),
        ],
        about=f"{here.about}, handler {handler}" if handler else here.about,
        how=f"because: {why}" if why and chosen_act is PAUSE else "",
        model=StreamPage,
        count=lambda: Count(1),
        perform=perform,
        back=visit.url("pause", stream=topic, group=group.name),
        place=_("Pause and resume"),
        subject=_subject(group, handler),
        form=form,
    )
    return conduct(visit, intent)


def _subject(group: GroupReport, handler: str) -> str:
    if handler:
        return _("handler “%(name)s”") % {"name": handler}
    return _("group “%(name)s”") % {"name": group.name}


ROUTES = (Route(name="pause", path="pause/", show=show, methods=("GET", "POST"), tab="streams"),)
