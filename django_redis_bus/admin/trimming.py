"""Making a stream shorter by hand: what would go, and then what went."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib.admin.models import DELETION
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from ..core.config import Retention
from ..core.sections import duration_s
from ..models import StreamPage
from ..operations import trimming
from ..operations.asking import ACT_S, Asking
from ..operations.streams import StreamReport
from ..operations.values import Acted
from .acts import Act, Intent, conduct
from .routing import Route
from .streams import found
from .visits import Visit
from .whereabouts import whereabouts
from .wording import number_text

TRIM = Act(
    name="trim",
    needs="destroy",
    button=gettext_lazy("Trim"),
    question=ngettext_lazy(
        "Remove %(shown)s entry from the stream?", "Remove %(shown)s entries from the stream?", "count"
    ),
    done=ngettext_lazy("%(shown)s entry was removed.", "%(shown)s entries were removed.", "count"),
    happens=gettext_lazy("The oldest entries go for good, and can be neither browsed nor replayed any more."),
    spares=gettext_lazy("Nothing goes that a live group has not settled. Dead letters stay."),
    flag=DELETION,
)


class TrimForm(forms.Form):
    """What is to stay."""

    keep = forms.IntegerField(
        label=gettext_lazy("Keep the newest"),
        required=False,
        min_value=0,
        help_text=gettext_lazy("So many entries. Empty: no limit by number."),
    )
    age = forms.CharField(
        label=gettext_lazy("Keep what is younger than"),
        required=False,
        max_length=30,
        help_text=gettext_lazy("A duration such as 12h or 7d. Empty: no limit by age."),
    )

    def clean_age(self) -> float | None:
        text = str(self.cleaned_data["age"]).strip()
        if not text:
            return None
        try:
            seconds = duration_s(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < 1e10:
            raise forms.ValidationError(_("This is no duration: write 30m, 12h or 7d."))
        return seconds

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if not self.errors and given.get("keep") is None and given.get("age") is None:
            raise forms.ValidationError(_("Say what is to stay: a number, an age, or both."))
        return given

    @property
    def retention(self) -> Retention:
        """What is to stay; once the form is valid."""
        return Retention(count=self.cleaned_data["keep"], age_s=self.cleaned_data["age"])


def show(visit: Visit) -> HttpResponseBase:
    topic = visit.needed("stream")
    if visit.request.method == "POST":
        form = TrimForm(visit.request.POST)
        if form.is_valid():
            return _trim(visit, topic, form)
        return shown(visit, found(visit, topic), form)
    report = found(visit, topic)
    return shown(visit, report, TrimForm(initial={"keep": report.retention.count, "age": _age(report.retention)}))


def shown(visit: Visit, report: StreamReport, form: TrimForm) -> HttpResponseBase:
    """Return the page that asks what is to stay."""
    return visit.page(
        "trim.html",
        visit.about(_("Trim %(stream)s"), report.topic),
        crumbs=[(_("Streams"), visit.url("streams")), (report.topic, visit.url("stream", stream=report.topic))],
        stream=report,
        form=form,
        act=TRIM,
        action=visit.url("trim", stream=report.topic),
    )


def _trim(visit: Visit, topic: str, form: TrimForm) -> HttpResponseBase:
    retention = form.retention

    def perform(given: dict[str, Any]) -> Acted:
        return Acted(done=trimming.trim(Asking(visit.bus, ACT_S), topic, retention))

    here = whereabouts(visit, topic)
    keep = "–" if retention.count is None else number_text(retention.count)
    age = _age(retention) or "–"
    intent = Intent(
        act=TRIM,
        facts=[*here.facts, (_("Keep the newest"), keep), (_("Keep what is younger than"), age)],
        about=here.about,
        how=f"keep={retention.count} age_s={retention.age_s}",
        model=StreamPage,
        count=partial(trimming.removable, visit.asking, topic, retention),
        perform=perform,
        back=visit.url("trim", stream=topic),
        place=_("Trim"),
        nothing=_("There is nothing to remove: all that is there is to stay, or is still needed by a group."),
    )
    return conduct(visit, intent)


def _age(retention: Retention) -> str:
    if retention.age_s is None:
        return ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if retention.age_s % size == 0:
            return f"{retention.age_s / size:g}{unit}"
    return f"{retention.age_s:g}s"


ROUTES = (Route(name="trim", path="trim/", show=show, needs="destroy", methods=("GET", "POST"), tab="streams"),)
