from __future__ import annotations

from django.apps import AppConfig

ROOMS = [f"room-{n}" for n in range(1, 17)]


class MoreRooms(AppConfig):
    name = "tests.browser"

    def ready(self) -> None:
        from example_project.chat import topics

        topics.ROOMS.update({name: name for name in ROOMS})
