"""The outbox in Django admin: what waits, what failed and why, and trying again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from .. import conf
from ..bus import buses
from ..core.exceptions import BusError
from ..core.telling import printable
from ..models import OutboxEvent
from ..operations import composing, outboxing
from ..outbox.orphans import present
from ..outbox.states import State
from . import outbox_acts, republishing
from .rights import rights_of
from .routing import urls
from .tables import GivenFilter, TableAdmin
from .wording import moment_text

_MARKS = {State.SENT: "bus-is-good", State.PARKED: "bus-is-error"}
_STATES = {
    State.PENDING: _("pending"),
    State.SCHEDULED: _("scheduled"),
    State.SENT: _("sent"),
    State.PARKED: _("parked"),
}
ERROR_CHARS = 200


class StateFilter(admin.ChoicesFieldListFilter):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = _("state")  # the field's own name is not translated


class BusFilter(GivenFilter):
    title = _("bus")
    parameter_name = column = "bus"

    def known(self, model_admin: Any) -> Iterator[str]:
        yield from conf.configs()
        yield from present(model_admin.database)


class TypeFilter(GivenFilter):
    title = _("type")
    parameter_name = column = "type"

    def known(self, model_admin: Any) -> Iterator[str]:
        try:
            for alias in buses:
                for target in composing.targets(buses[alias]):
                    yield from target.types if target.what == "stream" else ()
        except BusError:
            return  # the system checks say what is wrong; the rows are there all the same


class OutboxAdmin(TableAdmin):
    """Rows of the outbox."""

    list_display = ("event", "state_mark", "since", "bus", "error_text")
    list_filter = (("state", StateFilter), BusFilter, TypeFilter)
    search_fields = ("=event_id", "=type", "^topic")
    search_help_text = _("An event id, a type, or the beginning of a topic.")
    ordering = ("-id",)
    actions = ("retry_parked", "delete_parked")

    def get_urls(self) -> list[URLPattern]:
        return [*urls(self.admin_site, republishing.ROUTES), *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> Any:
        # An error quotes what it stumbled over.
        error = "error_text" if rights_of(request).payloads else "error_class"
        return [error if name == "error_text" else name for name in self.list_display]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        inside = ["error_whole", "payload"] if rights_of(request).payloads else ["error_class", "payload_hidden"]
        return ["event_id_text", "type_text", "topic_text", "bus", "state_mark", "since", "created", *inside]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_fields(request, obj)

    @admin.display(description=_("event"))
    def event(self, row: OutboxEvent) -> str:
        what = printable(row.type) or printable(row.event_id)
        key, subject = outboxing.key_and_subject(row)
        labelled = [(label, value) for label, value in ((_("key"), key), (_("subject"), subject)) if value]
        return format_html(
            '<bdi>{}</bdi><br><small class="bus-quiet"><bdi>{}</bdi>{}</small>',
            what,
            printable(row.topic),
            format_html_join("", " · {} <bdi>{}</bdi>", labelled),
        )

    @admin.display(description=_("event id"))
    def event_id_text(self, row: OutboxEvent) -> str:
        return printable(row.event_id)

    @admin.display(description=_("type"))
    def type_text(self, row: OutboxEvent) -> str:
        return printable(row.type)

    @admin.display(description=_("topic"))
    def topic_text(self, row: OutboxEvent) -> str:
        return format_html("<bdi>{}</bdi>", printable(row.topic))

    @admin.display(description=_("state"))
    def state_mark(self, row: OutboxEvent) -> str:
        state = State(row.state) if row.state in State.values else None
        text = _STATES[state] if state is not None else str(row.state)
        mark = format_html('<span class="bus-mark {}">{}</span>', _MARKS.get(state, "") if state else "", text)
        if not row.attempts:
            return mark
        said = ngettext("%(count)d attempt", "%(count)d attempts", row.attempts) % {"count": row.attempts}
        return format_html('{}<br><small class="bus-quiet">{}</small>', mark, said)

    @admin.display(description=_("since, or due"))
    def since(self, row: OutboxEvent) -> str:
        return moment_text(row.moment_ms)

    @admin.display(description=_("written"))
    def created(self, row: OutboxEvent) -> str:
        return moment_text(row.created_ms)

    @admin.display(description=_("error"), empty_value="–")
    def error_text(self, row: OutboxEvent) -> str:
        text = printable(row.error[: ERROR_CHARS + 1])
        return f"{text[:ERROR_CHARS]}…" if len(text) > ERROR_CHARS else text

    @admin.display(description=_("error"), empty_value="–")
    def error_whole(self, row: OutboxEvent) -> str:
        return printable(row.error[:5_000], keep="\n")

    @admin.display(description=_("error"), empty_value="–")
    def error_class(self, row: OutboxEvent) -> str:
        return outboxing.error_class(row)

    @admin.display(description=_("payload"))
    def payload(self, row: OutboxEvent) -> str:
        return format_html('<pre class="bus-data" tabindex="0">{}</pre>', outboxing.payload(row))

    @admin.display(description=_("payload"))
    def payload_hidden(self, row: OutboxEvent) -> Any:
        return _("Hidden: you may not see payloads.")

    @admin.action(description=_("Try parked ones again"), permissions=["operate"])
    def retry_parked(self, request: HttpRequest, queryset: QuerySet[OutboxEvent]) -> HttpResponseBase:
        return outbox_acts.conduct_chosen(self.frame(request), outbox_acts.RETRY, queryset, self.database)

    @admin.action(description=_("Delete parked ones"), permissions=["destroy"])
    def delete_parked(self, request: HttpRequest, queryset: QuerySet[OutboxEvent]) -> HttpResponseBase:
        return outbox_acts.conduct_chosen(self.frame(request), outbox_acts.DELETE, queryset, self.database)
