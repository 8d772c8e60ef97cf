"""The inbox in Django admin: which events idempotent handlers remember."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from .. import conf, registry
from ..core.telling import printable
from ..models import InboxEvent
from .tables import GivenFilter, TableAdmin
from .wording import moment_text


class GroupFilter(GivenFilter):
    title = _("group")
    parameter_name = column = "group"

    def known(self, model_admin: Any) -> Iterator[str]:
        for alias in conf.configs():
            yield from sorted({each.group for each in registry.handlers(alias) if each.idempotent})


class InboxAdmin(TableAdmin):
    """Rows of the inbox."""

    list_display = ("event", "group_text", "handled")
    list_filter = (GroupFilter,)
    search_fields = ("=event_id", "=digest")
    search_help_text = _("An event id.")
    ordering = ("-handled_ms",)
    fields = readonly_fields = ("event", "group_text", "handled", "digest")

    @admin.display(description=_("event id"))
    def event(self, row: InboxEvent) -> str:
        return format_html("<bdi>{}</bdi>", printable(row.event_id))

    @admin.display(description=_("group"))
    def group_text(self, row: InboxEvent) -> str:
        return format_html("<bdi>{}</bdi>", printable(row.group))

    @admin.display(description=_("handled"))
    def handled(self, row: InboxEvent) -> str:
        return moment_text(row.handled_ms)
