from __future__ import annotations

from django.apps import AppConfig


class ShopConfig(AppConfig):
    # Its topics.py and handlers.py are found and imported by django_redis_bus.
    name = "example_project.shop"
    label = "shop"
