"""The console: the bus inside Django admin, seen and repaired.

Django admin finds this package by itself. A project with an AdminSite of its own calls `register(site)`, once.
"""

from __future__ import annotations

from django.contrib import admin

from ..models import ChannelPage, DeadLetterPage, InboxEvent, OutboxEvent, Overview, StreamPage
from .inbox import InboxAdmin
from .outbox import OutboxAdmin
from .places import ChannelPlace, DeadLetterPlace, OverviewPlace, StreamPlace

__all__ = ["register"]


def register(site: admin.AdminSite) -> None:
    """Give a site the console. What it has already stays as it is."""
    for model, place in (
        (Overview, OverviewPlace),
        (StreamPage, StreamPlace),
        (DeadLetterPage, DeadLetterPlace),
        (ChannelPage, ChannelPlace),
        (OutboxEvent, OutboxAdmin),
        (InboxEvent, InboxAdmin),
    ):
        if not site.is_registered(model):
            site.register(model, place)


register(admin.site)
