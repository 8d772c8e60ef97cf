"""The console's places in Django admin: entries of its index, each with pages below it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path

from . import channels, dead, dead_edit, entries, overview, pausing, pending, publish, replay, streams, trimming
from .rights import rights_of
from .routing import Route, urls, view


class Place(admin.ModelAdmin):  # type: ignore[type-arg]
    """An entry of the admin index without a table behind it. The first of its pages is where the entry leads."""

    routes: tuple[Route, ...] = ()

    def get_urls(self) -> list[URLPattern]:
        entry = [
            path("", view(self.admin_site, route), name=f"{self.opts.app_label}_{self.opts.model_name}_changelist")
            for route in self.routes[:1]
        ]
        return [*urls(self.admin_site, self.routes), *entry]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return rights_of(request).see

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return rights_of(request).see

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OverviewPlace(Place):
    routes = overview.ROUTES


class StreamPlace(Place):
    routes = (
        *streams.ROUTES,
        *entries.ROUTES,
        *pending.ROUTES,
        *replay.ROUTES,
        *pausing.ROUTES,
        *trimming.ROUTES,
        *publish.ROUTES,
    )


class DeadLetterPlace(Place):
    routes = (*dead.ROUTES, *dead_edit.ROUTES)


class ChannelPlace(Place):
    routes = channels.ROUTES
