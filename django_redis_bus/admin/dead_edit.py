"""A dead letter corrected: its payload edited, checked, and sent in its place."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.models import CHANGE
from django.core.exceptions import PermissionDenied
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..core.exceptions import BusError, PayloadError, UnknownTopic
from ..core.telling import printable
from ..models import DeadLetterPage
from ..operations import composing, dead
from ..operations.asking import ACT_S, Asking
from ..operations.dead import DeadLetter
from ..operations.editing import Editable, check, editable
from ..operations.shapes import Shape
from ..operations.values import Acted, Count
from .acts import CONFIRMED, Act, Intent, conduct
from .dead_filter import GONE
from .payload_form import WHOLE, PayloadForm
from .routing import Route
from .visits import Visit
from .whereabouts import whereabouts

RESEND = Act(
    name="resend",
    needs="operate",
    button=gettext_lazy("Send the copy"),
    question=gettext_lazy("Send 1 corrected copy in place of the dead letter?"),
    done=gettext_lazy("The copy is in the stream, and the dead letter is gone."),
    happens=gettext_lazy("The copy is added to the stream and the dead letter thrown away: both, or neither."),
    spares=gettext_lazy("What was handled before stays so. An entry that is still in the stream is not changed."),
    flag=CHANGE,
)


class WhoForm(forms.Form):
    """Who gets the copy."""

    everyone = forms.BooleanField(
        label=gettext_lazy("for all groups of the stream"),
        required=False,
        help_text=gettext_lazy("Otherwise only the group that gave it up gets the copy."),
    )


def show(visit: Visit) -> HttpResponseBase:
    topic, dead_id = visit.needed("stream"), visit.needed("id")
    if not (visit.rights.payloads and visit.rights.operate):  # to correct it he has to see it, and to send it
        raise PermissionDenied
    letter = dead.letter(visit.asking, topic, dead_id, payloads=True)
    found = editable(visit.asking, topic, dead_id)
    if letter is None or found is None:
        raise UnknownTopic(str(GONE))
    if visit.request.method != "POST":
        form = PayloadForm(Shape(), initial={WHOLE: found.text})
        return shown(visit, topic, letter, found, form)
    form = PayloadForm(Shape(), visit.request.POST)
    if not form.is_valid():
        return shown(visit, topic, letter, found, form)
    try:
        check(visit.asking, topic, dead_id, form.plain)
    except PayloadError as error:
        form.refuse(error)
    except BusError as error:
        form.add_error(None, printable(str(error)))
    except LookupError:
        raise UnknownTopic(str(GONE)) from None
    if form.errors:
        return shown(visit, topic, letter, found, form)
    return _resend(visit, topic, letter, form)


def shown(visit: Visit, topic: str, letter: DeadLetter, found: Editable, form: PayloadForm) -> HttpResponseBase:
    """Return the page on which the payload is edited."""
    address = {"stream": topic, "id": letter.dead_id}
    return visit.page(
        "dead_edit.html",
        _("Edit a copy"),
        crumbs=[
            (_("Dead letters"), visit.url("dead")),
            (topic, visit.url("dead", stream=topic)),
            (letter.dead_id, visit.url("dead_letter", **address)),
        ],
        letter=letter,
        form=form,
        hides=found.hides,
        is_unreadable=not found.text,
        shape_name=_shape_name(visit, topic, letter),
        action=visit.url("dead_edit", **address),
        back=visit.url("dead_letter", **address),
    )


def _shape_name(visit: Visit, topic: str, letter: DeadLetter) -> str:
    try:
        return composing.shape(visit.bus, topic, letter.shown.type).name
    except BusError:
        return ""


def _resend(visit: Visit, topic: str, letter: DeadLetter, form: PayloadForm) -> HttpResponseBase:
    who = WhoForm(visit.request.POST if CONFIRMED in visit.request.POST else None)

    def perform(given: dict[str, Any]) -> Acted:
        asking = Asking(visit.bus, ACT_S)
        try:
            dead.resend(asking, topic, letter.dead_id, form.plain, everyone=given["everyone"])
        except LookupError:
            return Acted(left_alone={"gone": 1})
        return Acted(done=1)

    everyone = ", for all groups" if "everyone" in visit.request.POST else ""
    here = whereabouts(visit, topic, letter.group)
    intent = Intent(
        act=RESEND,
        facts=[
            *here.facts,
            (_("Event type"), letter.shown.type),
            *([(_("Key"), letter.shown.key)] if letter.shown.key else []),
            (_("Dead letter"), letter.dead_id),
        ],
        about=here.about,
        how=f"id {letter.dead_id}{everyone}",
        model=DeadLetterPage,
        count=lambda: Count(1),
        perform=perform,
        back=visit.url("dead", stream=topic),
        place=_("Dead letters"),
        form=who,
    )
    return conduct(visit, intent)


ROUTES = (Route(name="dead_edit", path="edit/", show=show, needs="operate", methods=("GET", "POST"), tab="dead"),)
