"""Sending again what was sent since a moment: after a Redis lost what it had confirmed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import DatabaseError
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from .. import conf
from ..models import OutboxEvent
from ..operations.values import Acted, Count
from ..outbox import table
from ..outbox.repairing import republish, sent
from ..outbox.rows import now_ms
from .acts import Act, Intent, conduct
from .outbox_acts import AT_ONCE
from .routing import Route
from .visits import Visit
from .wording import moment_text

REPUBLISH = Act(
    name="republish",
    needs="operate",
    button=gettext_lazy("Republish"),
    question=ngettext_lazy("Send %(shown)s event again?", "Send %(shown)s events again?", "count"),
    done=ngettext_lazy("%(shown)s sent event is pending again.", "%(shown)s sent events are pending again.", "count"),
    happens=gettext_lazy(
        "A relay publishes them once more, under their old ids. A stream that has had one a moment ago adds it once; "
        "otherwise every group gets it again, and idempotent handlers pass over what they remember."
    ),
    spares=gettext_lazy("What was sent before that time, and what is pending, scheduled or parked, stays as it is."),
)


class RepublishForm(forms.Form):
    """Since when, of which bus, from which database."""

    since = forms.DateTimeField(
        label=gettext_lazy("Sent since"),
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M:%S", attrs={"type": "datetime-local", "step": "1"}),
    )
    of_bus = forms.ChoiceField(label=gettext_lazy("Bus"))
    database = forms.ChoiceField(label=gettext_lazy("Database"))

    def __init__(self, databases: list[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zone = {"zone": timezone.get_current_timezone_name()}
        self.fields["since"].help_text = _("In the time zone %(zone)s. Only rows that are still kept.") % zone
        self.fields["of_bus"].choices = [(alias, alias) for alias in conf.configs()]  # type: ignore[attr-defined]
        self.fields["database"].choices = [(alias, alias) for alias in databases]  # type: ignore[attr-defined]


def show(visit: Visit) -> HttpResponseBase:
    default = table.default()
    try:
        databases = sorted(table.aliases(), key=lambda alias: (alias != default, alias))
    except DatabaseError:  # one that is away; the one that is shown may be there
        databases = [default]
    data = visit.request.POST if visit.request.method == "POST" else None
    form = RepublishForm(databases, data, initial={"of_bus": visit.alias, "database": default})
    if data is not None and form.is_valid():
        return _republish(visit, form)
    return visit.page(
        "republish.html",
        _("Republish"),
        crumbs=[(_("Outbox"), _outbox(visit))],
        form=form,
        act=REPUBLISH,
        action=visit.url("republish"),
        back=_outbox(visit),
    )


def _republish(visit: Visit, form: RepublishForm) -> HttpResponseBase:
    alias, database = form.cleaned_data["of_bus"], form.cleaned_data["database"]
    since_ms = int(form.cleaned_data["since"].timestamp() * 1000)
    given = visit.request.POST.get("until", "")
    # A relay at work sends them anew under a later moment: they are not sent a third time.
    until_ms = min(int(given), 2**53) if given.isdecimal() and len(given) < 20 else now_ms()

    def count() -> Count:
        number = sent(database, [alias], since_ms=since_ms, until_ms=until_ms)[: AT_ONCE + 1].count()
        return Count(min(number, AT_ONCE), at_least=number > AT_ONCE)

    def perform(_given: dict[str, Any]) -> Acted:
        done = republish(database, [alias], since_ms=since_ms, until_ms=until_ms, most=AT_ONCE)
        return Acted(done=done, more=done == AT_ONCE)

    intent = Intent(
        act=REPUBLISH,
        facts=[(_("Bus"), alias), (_("Database"), database), (_("Sent since"), moment_text(since_ms)),
               (_("and until"), moment_text(until_ms))],
        about=f"outbox of database {database}, bus {alias}",
        how=f"sent from {since_ms} ms to {until_ms} ms",
        model=OutboxEvent,
        count=count,
        perform=perform,
        back=_outbox(visit),
        place=_("Outbox"),
        object_id="",
        pinned=[("until", str(until_ms))],
        nothing=_("Nothing was done: no row of that bus was sent since then, or none is kept any more."),
    )  # fmt: skip
    return conduct(visit, intent)


def _outbox(visit: Visit) -> str:
    return reverse("admin:django_redis_bus_outboxevent_changelist", current_app=visit.site.name)


ROUTES = (
    Route(name="republish", path="republish/", show=show, needs="operate", methods=("GET", "POST"), tab="outbox"),
)
