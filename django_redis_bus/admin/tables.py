"""What outbox and inbox have in common in Django admin: they are read only, and cheap whatever their size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import SuspiciousOperation, ValidationError
from django.core.paginator import Paginator
from django.db import DatabaseError, connections, models, router
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from ..core.exceptions import ConfigurationError
from ..core.telling import printable
from .frame import Frame
from .rights import Right, rights_of
from .trouble import trouble

COUNTED = 10_000
"""Counting rows stops here: a database reads each row that it counts."""


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of the first rows of a table, which may have any number of them."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows[:COUNTED].count())


class TableAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A table that only the bus writes to."""

    paginator = BoundedPaginator
    show_full_result_count = False
    # A count for each value of each filter reads the table as often.
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    # By the primary key alone: by anything else a database would sort the whole table.
    sortable_by = ()
    change_list_template = "django_redis_bus/console/table.html"
    change_form_template = "django_redis_bus/console/row.html"

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Return whether the rows may be filtered so: only as the filters beside the list do.

        Django lets an address ask for any of the table's own columns in any way, and one of them is the payload.
        """
        filters: Any = self.list_filter
        names = {f"{each[0]}__exact" if isinstance(each, tuple) else each.parameter_name for each in filters}
        return lookup in names

    @property
    def database(self) -> str:
        """Alias of the database that is shown: the one that routers name for this table."""
        return router.db_for_write(self.model)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).using(self.database)

    def frame(self, request: HttpRequest) -> Frame:
        """Return what is around a page of this table."""
        return Frame(request=request, site=self.admin_site, rights=rights_of(request), alias="", tab="outbox")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        problem = self._problem()
        if problem is not None and self.has_view_permission(request):
            return problem_page(self.frame(request), problem)
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if not all(self._is_key(each) for each in chosen):
            raise SuspiciousOperation("What was chosen is no row.")
        frame = self.frame(request)
        more = {
            "visit": frame,
            "rights": frame.rights,
            "bus_alias": "",
            "bus_tabs": frame.tabs(),
            "bus_switch": [],
            "title": capfirst(self.opts.verbose_name_plural),
            "database": self.database,
            "counted": COUNTED,
        }
        return super().changelist_view(request, more | (extra_context or {}))

    def _is_key(self, text: str) -> bool:
        try:
            self.model._meta.pk.to_python(text)
        except (ValidationError, ValueError):
            return False
        return "\0" not in text

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        frame = self.frame(request)
        context.update({"visit": frame, "rights": frame.rights, "bus_tabs": frame.tabs(), "bus_switch": []})
        return super().render_change_form(request, context, *args, **kwargs)

    def _problem(self) -> str | None:
        try:
            tables = connections[self.database].introspection.table_names()
        except DatabaseError as error:
            return printable(str(error))
        if self.model._meta.db_table in tables:
            return None
        missing = _("Database “%(database)s” has no table %(table)s. Run: manage.py migrate --database %(database)s")
        return missing % {"database": self.database, "table": self.model._meta.db_table}

    # --- rights: those of the console, not the four that Django gives every model

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "see")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, "see")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether actions with permissions=["operate"] are offered."""
        return self._may(request, "operate")

    def has_destroy_permission(self, request: HttpRequest) -> bool:
        """Whether actions with permissions=["destroy"] are offered."""
        return self._may(request, "destroy")

    def _may(self, request: HttpRequest, right: Right) -> bool:
        return rights_of(request).allow(right)


def problem_page(frame: Frame, problem: str) -> HttpResponseBase:
    """Return the page that says why a table cannot be shown."""
    return trouble(frame, ConfigurationError(problem))


class GivenFilter(admin.SimpleListFilter):
    """A filter over values that are known without asking the table for all it has.

    A value that is asked for in the address is offered as well, whether or not it is known.
    """

    column = ""

    def known(self, model_admin: Any) -> Iterator[str]:
        """Yield the values that are offered."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        found = list(self.known(model_admin))
        chosen = request.GET.get(str(self.parameter_name))
        return [(each, printable(each)) for each in dict.fromkeys([*found, *([chosen] if chosen else [])])]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        # A database may refuse to be asked for this.
        return queryset.none() if "\0" in value else queryset.filter(**{self.column: value})
