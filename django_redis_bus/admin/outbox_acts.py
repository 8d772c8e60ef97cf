"""What can be done to chosen rows of the outbox: only those that are parked are touched."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import DELETION
from django.db.models import Max, QuerySet
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from ..models import OutboxEvent
from ..operations.values import Acted, Count
from ..outbox.repairing import delete_parked, retry_these
from ..outbox.states import State
from .acts import Act, Intent, conduct
from .frame import Frame
from .wording import number_text

AT_ONCE = 10_000
"""So many rows are acted on in one go."""

RETRY = Act(
    name="retry_parked",
    needs="operate",
    button=gettext_lazy("Try again"),
    question=ngettext_lazy("Try %(shown)s parked event again?", "Try %(shown)s parked events again?", "count"),
    done=ngettext_lazy("%(shown)s event is pending again.", "%(shown)s events are pending again.", "count"),
    happens=gettext_lazy("A relay publishes them, and tries as often as at first. Mend first what they failed for."),
    spares=gettext_lazy("Rows that are pending, scheduled or sent stay as they are, also those that were chosen."),
)
DELETE = Act(
    name="delete_parked",
    needs="destroy",
    button=gettext_lazy("Delete"),
    question=ngettext_lazy("Delete %(shown)s parked event?", "Delete %(shown)s parked events?", "count"),
    done=ngettext_lazy("%(shown)s parked event is deleted.", "%(shown)s parked events are deleted.", "count"),
    happens=gettext_lazy("They are never published: nobody will ever hear of these changes."),
    spares=gettext_lazy("Rows that are pending, scheduled or sent stay as they are, also those that were chosen."),
    flag=DELETION,
)


def conduct_chosen(frame: Frame, act: Act, rows: QuerySet[OutboxEvent], database: str) -> HttpResponseBase:
    """Answer an action of the change list: with its confirmation, or by doing it."""
    parked = rows.order_by().filter(state=State.PARKED)
    until = frame.request.POST.get("until", "")
    if not (until.isdecimal() and len(until) < 20):
        # What is parked while somebody reads the question is not part of it.
        until = str(parked.aggregate(last=Max("id"))["last"] or 0)
    parked = parked.filter(id__lte=min(int(until), 2**63 - 1))
    query = frame.request.GET.urlencode()
    back = reverse("admin:django_redis_bus_outboxevent_changelist", current_app=frame.site.name)

    def count() -> Count:
        number = parked[: AT_ONCE + 1].count()
        return Count(min(number, AT_ONCE), at_least=number > AT_ONCE)

    def perform(given: dict[str, Any]) -> Acted:
        ids = list(parked.order_by("id").values_list("id", flat=True)[: AT_ONCE + 1])
        verb = retry_these if act is RETRY else delete_parked
        done = verb(database, ids[:AT_ONCE])
        gone = min(len(ids), AT_ONCE) - done
        return Acted(done=done, left_alone={"gone": gone} if gone else {}, more=len(ids) > AT_ONCE)

    across = frame.request.POST.get("select_across") == "1"
    chosen = frame.request.POST.getlist("_selected_action")
    how = f"all that match {query!r:.300}, up to row {until}" if across else f"rows {', '.join(chosen)[:500]}"
    picked = _("all that match") if across else number_text(len(chosen))
    return conduct(
        frame,
        Intent(
            act=act,
            facts=[
                (_("Database"), database),
                (_("Chosen"), picked),
            ],
            about=f"outbox of database {database}",
            how=how,
            model=OutboxEvent,
            count=count,
            perform=perform,
            back=f"{back}?{query}" if query else back,
            place=_("Outbox"),
            object_id=chosen[0] if len(chosen) == 1 and not across else "",
            pinned=[("until", until)],
            nothing=_("Nothing was done: none of the chosen events is parked."),
        ),
    )
