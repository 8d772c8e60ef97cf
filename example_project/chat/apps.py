from __future__ import annotations

from django.apps import AppConfig


class ChatConfig(AppConfig):
    # Its topics.py is found and imported by django_redis_bus.
    name = "example_project.chat"
    label = "chat"
