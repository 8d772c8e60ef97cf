from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core.signals import setting_changed
from django.utils.translation import gettext_lazy as _


class DjangoRedisBusConfig(AppConfig):
    name = "django_redis_bus"
    verbose_name = _("Redis bus")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # This also runs in migrate, shell and tests: nothing here touches Redis or the database.
        from . import publishers, registry, revoking
        from .checks import register

        register()
        registry.discover()
        publishers.connect()
        revoking.connect()
        setting_changed.connect(_reconnect, dispatch_uid="django_redis_bus.publishers")


def _reconnect(*, setting: str, **kwargs: Any) -> None:
    from . import publishers

    if setting == "REDIS_BUS":
        publishers.connect()
